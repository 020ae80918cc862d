//! A key, and whether a signature was made with it.

use std::borrow::Cow;

use ring::{hmac, signature};
use subtle::{Choice, ConstantTimeEq as _};

use crate::{
    build::BuildError,
    encoding::Encoding,
    engine::der,
    scheme::{Algorithm, Hash, PublicKey},
    secret::{KeyForm, Secret},
};

pub(crate) enum Key {
    Hmac(hmac::Key),
    Public(signature::UnparsedPublicKey<Vec<u8>>),
}

/// Signatures of one request that are compared with each HMAC key: DocuSign sends up to a hundred.
const MACS_MAX: usize = 100;
/// Signatures of one request that are tried with each public key: each costs as much as a thousand hashes.
const SIGNATURES_MAX: usize = 8;

impl Key {
    pub(crate) fn new(
        algorithm: Algorithm,
        form: KeyForm,
        secret: &Secret,
    ) -> Result<Self, BuildError> {
        match algorithm {
            Algorithm::Hmac(hash) => Ok(Self::hmac(hash, &form.decode(secret)?)),
            Algorithm::PublicKey(kind) => Self::public(kind, secret.text()),
        }
    }

    pub(crate) fn hmac(hash: Hash, key: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        Self::Hmac(hmac::Key::new(algorithm, key))
    }

    fn public(kind: PublicKey, text: &str) -> Result<Self, BuildError> {
        let (algorithm, key): (&'static dyn signature::VerificationAlgorithm, _) = match kind {
            PublicKey::Ed25519 => {
                let text = text.trim();
                let text = text.strip_prefix("whpk_").unwrap_or(text);
                let key = Encoding::Base64.decode(text.as_bytes());
                let key = key.filter(|key| key.len() == signature::ED25519_PUBLIC_KEY_LEN);
                (&signature::ED25519, key)
            }
            PublicKey::RsaSha256 => (
                &signature::RSA_PKCS1_2048_8192_SHA256,
                der::text(text, "PUBLIC KEY").and_then(|key| der::rsa_key(&key)),
            ),
            PublicKey::EcdsaP256 => (
                &signature::ECDSA_P256_SHA256_ASN1,
                der::text(text, "PUBLIC KEY").and_then(|key| der::p256_key(&key)),
            ),
        };
        let key = key.ok_or(BuildError::Secret(match kind {
            PublicKey::Ed25519 => "is not whpk_ and the base64 of an Ed25519 public key",
            PublicKey::RsaSha256 => "is not an RSA public key in PEM or base64",
            PublicKey::EcdsaP256 => "is not a P-256 public key in PEM or base64",
        }))?;
        Ok(Self::Public(signature::UnparsedPublicKey::new(
            algorithm, key,
        )))
    }

    /// The key of a certificate, as `ring` takes it.
    pub(crate) fn rsa(key: Vec<u8>) -> Self {
        let algorithm = &signature::RSA_PKCS1_2048_8192_SHA256;
        Self::Public(signature::UnparsedPublicKey::new(algorithm, key))
    }

    pub(crate) fn is_public(&self) -> bool {
        matches!(self, Self::Public(_))
    }

    /// Whether one of the signatures was made of this message with this key. All are tried, so that the time tells nothing
    /// of which it was; that a comparison ends early with another length tells nothing that is secret.
    pub(crate) fn has_made(&self, message: &[Cow<'_, [u8]>], signatures: &[Vec<u8>]) -> bool {
        let found = match self {
            Self::Hmac(key) => {
                let mac = mac(key, message);
                let compared = signatures.iter().take(MACS_MAX);
                compared.fold(Choice::from(0), |found, given| {
                    found | mac.as_ref().ct_eq(given.as_slice())
                })
            }
            Self::Public(key) => {
                let message = message.concat();
                let tried = signatures.iter().take(SIGNATURES_MAX);
                tried.fold(Choice::from(0), |found, given| {
                    found | Choice::from(u8::from(key.verify(&message, given).is_ok()))
                })
            }
        };
        found.into()
    }

    /// The MAC of this message; none if the private key is somebody else's.
    pub(crate) fn sign(&self, message: &[Cow<'_, [u8]>]) -> Option<Vec<u8>> {
        match self {
            Self::Hmac(key) => Some(mac(key, message).as_ref().to_vec()),
            Self::Public(_) => None,
        }
    }
}

fn mac(key: &hmac::Key, message: &[Cow<'_, [u8]>]) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    message.iter().for_each(|part| mac.update(part));
    mac.sign()
}

/// Whether a key of several has made one of the signatures, and which. All pairs are evaluated.
pub(crate) fn which(
    keys: &[Key],
    message: &[Cow<'_, [u8]>],
    signatures: &[Vec<u8>],
) -> Option<usize> {
    let made = keys.iter().map(|key| key.has_made(message, signatures));
    let made: Vec<_> = made.collect();
    made.iter().position(|&made| made)
}

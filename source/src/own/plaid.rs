//! Plaid: a JWT, signed with ES256, which holds the body's hash. The keys are given by the operator, one JWK per `kid`.

use std::collections::BTreeMap;

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, de::DeserializeOwned};
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use crate::{
    build::BuildError,
    encoding::Encoding,
    engine::proof::Proof,
    moment,
    place::sha256,
    request::Request,
    scheme::TOLERANCE,
    secret::{Credentials, Secret},
    verdict::Reason,
};

pub(crate) const HEADER: &str = "Plaid-Verification";
/// In bytes. A real one has some 400.
const TOKEN_MAX: usize = 4096;

pub(crate) struct Plaid {
    /// By `kid`.
    keys: BTreeMap<String, UnparsedPublicKey<Vec<u8>>>,
}

/// Why a request is not proven.
pub(crate) enum Fault {
    /// The key is not here: it may be a new one, and the request must come again when that is known.
    UnknownKey,
    Reason(Reason),
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    y: String,
}

/// A key, or several.
#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    request_body_sha256: String,
}

impl Plaid {
    pub(crate) fn new(credentials: &Credentials) -> Result<Self, BuildError> {
        let mut keys = BTreeMap::new();
        for secret in &credentials.secrets {
            for jwk in read(secret).ok_or(NO_JWK)? {
                let point = jwk.point().ok_or(NO_JWK)?;
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                keys.insert(jwk.kid, key);
            }
        }
        Ok(Self { keys })
    }

    pub(crate) fn prove<'a>(&self, request: &Request<'a>) -> Result<Proof<'a>, Fault> {
        let token = request.header(HEADER)?;
        let token = token.ok_or(Reason::MissingHeader)?;
        if token.len() > TOKEN_MAX {
            return Err(Reason::Malformed.into());
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Reason::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::Malformed)?;
        let header: Header = part(header).ok_or(Reason::Malformed)?;
        // The token must not choose how it is verified.
        if header.alg != "ES256" {
            return Err(Reason::Malformed.into());
        }
        let signature = Encoding::Base64Url.decode(signature.as_bytes());
        let signature = signature.ok_or(Reason::Malformed)?;
        let key = self.keys.get(&header.kid).ok_or(Fault::UnknownKey)?;
        if key.verify(signed.as_bytes(), &signature).is_err() {
            return Err(Reason::Mismatch.into());
        }
        let claims: Claims = part(claims).ok_or(Reason::Malformed)?;
        let hash = claims.request_body_sha256.to_ascii_lowercase();
        let is_equal = sha256(request.body).as_bytes().ct_eq(hash.as_bytes());
        if !bool::from(is_equal) {
            return Err(Reason::Mismatch.into());
        }
        let time =
            OffsetDateTime::from_unix_timestamp(claims.iat).map_err(|_| Reason::Malformed)?;
        moment::check(time, TOLERANCE, request.now)?;
        Ok(Proof {
            time: Some(time),
            ..Proof::default()
        })
    }
}

const NO_JWK: BuildError =
    BuildError::Secret("is not a JWK of a P-256 key with a kid, nor a set of them");

fn read(secret: &Secret) -> Option<Vec<Jwk>> {
    if let Ok(Jwks { keys }) = serde_json::from_str(secret.text()) {
        return Some(keys).filter(|keys| !keys.is_empty());
    }
    serde_json::from_str(secret.text())
        .ok()
        .map(|jwk| vec![jwk])
}

impl Jwk {
    fn point(&self) -> Option<Vec<u8>> {
        let x = Encoding::Base64Url.decode(self.x.as_bytes())?;
        let y = Encoding::Base64Url.decode(self.y.as_bytes())?;
        let is_p256 = self.kty == "EC" && self.crv == "P-256" && x.len() == 32 && y.len() == 32;
        is_p256.then(|| [vec![4], x, y].concat())
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&Encoding::Base64Url.decode(text.as_bytes())?).ok()
}

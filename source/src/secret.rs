//! What a source's requests are proven with.

use std::fmt;

use crate::{build::BuildError, encoding::Encoding, place::sha256};

/// A secret as somebody has pasted it. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// How long it is, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The first four hex digits of its SHA-256: by them two copies are compared, and neither is shown.
    pub fn fingerprint(&self) -> String {
        let digits = sha256(self.0.as_bytes());
        digits.chars().take(FINGERPRINT_DIGITS).collect()
    }

    /// Whether there is white space before or after it.
    pub fn is_padded(&self) -> bool {
        self.0.trim() != self.0
    }

    /// Refuses what is no secret: an empty one proves everything to everybody.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let text = self.0.trim();
        if text.is_empty() {
            return Err(BuildError::EmptySecret);
        }
        if is_placeholder(text) {
            return Err(BuildError::Secret(
                "is a placeholder, not the secret itself",
            ));
        }
        if text.starts_with("env:") || text.starts_with("file:") {
            return Err(BuildError::Secret(
                "is a reference (env: or file:) and not what it refers to",
            ));
        }
        Ok(())
    }
}

/// Few enough to tell nothing of a secret that could be guessed.
const FINGERPRINT_DIGITS: usize = 4;

/// Whether somebody has still to put the secret there: `***`, `xxxx`, `changeme`, `<secret>`, `${SECRET}`, `whsec_…`.
fn is_placeholder(text: &str) -> bool {
    let is_masked = |c: char| text.chars().all(|other| other.eq_ignore_ascii_case(&c));
    let is_between = |start, end| text.starts_with(start) && text.ends_with(end);
    is_masked('*')
        || is_masked('x')
        || text.eq_ignore_ascii_case("changeme")
        || is_between("<", ">")
        || is_between("${", "}")
        || is_between("{{", "}}")
        || text.ends_with("...")
        || text.ends_with('…')
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// All that a source is given besides its settings, read from where it is kept.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// What its sender calls signing secret, key, token or `user:password`; public keys for the senders that sign with a
    /// private one; PayPal's webhook id. Any of them proves a request, so that one can replace another while both are
    /// in use.
    pub secrets: Vec<Secret>,
    /// X.509, PEM: what PayPal signs with.
    pub certificates: Vec<String>,
    /// What Meta says when it asks whether the address is ours. Nothing is signed with it.
    pub verify_token: Option<Secret>,
}

impl Credentials {
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let secrets = self.secrets.iter().chain(&self.verify_token);
        secrets.into_iter().try_for_each(Secret::check)
    }
}

/// How the bytes of a key are made of its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyForm {
    /// The text's own bytes, whatever it begins with.
    #[default]
    Utf8,
    Base64,
    Hex,
    /// As Standard Webhooks have it: base64 of 24 to 64 bytes, with or without `whsec_` before it.
    Whsec,
}

/// What Standard Webhooks allow.
const WHSEC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

impl KeyForm {
    pub(crate) fn decode(self, secret: &Secret) -> Result<Vec<u8>, BuildError> {
        let text = secret.text();
        let (bytes, fault) = match self {
            Self::Utf8 => return Ok(text.as_bytes().to_vec()),
            Self::Base64 => (Encoding::Base64.decode(text.as_bytes()), "is not base64"),
            Self::Hex => (Encoding::Hex.decode(text.as_bytes()), "is not hex"),
            Self::Whsec => {
                let text = text.strip_prefix("v1,").unwrap_or(text);
                let text = text.strip_prefix("whsec_").unwrap_or(text);
                let bytes = Encoding::Base64.decode(text.as_bytes());
                let bytes = bytes.filter(|bytes| WHSEC_BYTES.contains(&bytes.len()));
                (bytes, "is not whsec_ and the base64 of 24 to 64 bytes")
            }
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        bytes.ok_or(BuildError::Secret(fault))
    }
}

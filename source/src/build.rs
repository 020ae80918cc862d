//! Why a source cannot be built: sentences for whoever wrote its settings.

use thiserror::Error;

/// No text of it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    #[error("there is no preset `{0}`")]
    UnknownPreset(String),
    #[error("neither `preset` nor `verify` says how its requests are proven")]
    NoProof,
    #[error("it has no secret")]
    NoSecret,
    #[error("a secret is empty or blank")]
    EmptySecret,
    #[error("a secret {0}")]
    Secret(&'static str),
    #[error("it has a secret and verifies nothing: `verify = \"none\"` takes none")]
    NeedlessSecret,
    #[error("it has no certificate: PayPal signs with one, and offline it must be given")]
    NoCertificate,
    #[error("a certificate {0}")]
    Certificate(&'static str),
    #[error("it has no verify token, by which Meta asks whether the address is ours")]
    NoVerifyToken,
    #[error("`{member}`: {fault}")]
    Setting { member: &'static str, fault: String },
}

impl BuildError {
    pub(crate) fn setting(member: &'static str) -> impl Fn(String) -> Self {
        move |fault| Self::Setting { member, fault }
    }
}

//! Settings that are of no use.

use std::fmt;

/// Why [`Settings`](super::Settings) are of no use. Never says what they contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No URL that could be posted to.
    Url,
    /// A port that is none.
    Port,
    /// Nobody could be believed.
    Certificates,
    /// No key for Standard Webhooks.
    Secret,
}

impl Error {
    /// The sentence about variables that begin so: `PROCESS`.
    pub fn about(self, prefix: &str) -> String {
        let (setting, must) = match self {
            Self::Url => ("URL", "be an http:// or https:// URL, written in ASCII"),
            Self::Port => ("URL", "have a port from 1 to 65535, or none"),
            Self::Certificates => (
                "URL",
                "not be https:// where the system has no root certificates",
            ),
            Self::Secret => ("SECRET", "be whsec_ and then the base64 of 24 to 64 bytes"),
        };
        format!("{prefix}_{setting} must {must}")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about("PROCESS"))
    }
}

impl std::error::Error for Error {}

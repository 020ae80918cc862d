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
        let setting = match self {
            Self::Url | Self::Port | Self::Certificates => "URL",
            Self::Secret => "SECRET",
        };
        self.about_variable(&format!("{prefix}_{setting}"))
    }

    /// The sentence about the variable that has this name.
    pub fn about_variable(self, variable: &str) -> String {
        let must = match self {
            Self::Url => "be an http:// or https:// URL, written in ASCII",
            Self::Port => "have a port from 1 to 65535, or none",
            Self::Certificates => "not be https:// where the system has no root certificates",
            Self::Secret => "be whsec_ and then the base64 of 24 to 64 bytes",
        };
        format!("{variable} must {must}")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about("PROCESS"))
    }
}

impl std::error::Error for Error {}

//! Settings that are of no use.

use thiserror::Error;

/// Why [`Settings`](super::Settings) are of no use. Never says what they contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// No URL that could be posted to.
    #[error("PROCESS_URL must be an http:// or https:// URL, written in ASCII")]
    Url,
    /// A port that is none.
    #[error("PROCESS_URL must have a port from 1 to 65535, or none")]
    Port,
    /// Nobody could be believed.
    #[error("PROCESS_URL must not be https:// where the system has no root certificates")]
    Certificates,
    /// No key for Standard Webhooks.
    #[error("PROCESS_SECRET must be whsec_ and then the base64 of 24 to 64 bytes")]
    Secret,
}

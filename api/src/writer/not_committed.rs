//! Why there is no receipt.

use thiserror::Error;

/// Why a webhook got no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotCommitted {
    /// Too much waits. It was not committed and will not be.
    #[error("too many webhooks wait to be committed, and this one was not; please send it again")]
    TooMuch,
    /// The database does not answer, or it takes too long. It may still be committed.
    #[error("the webhook could not be committed in time; please send it again")]
    InTime,
    /// The database will not have it, now or ever.
    #[error("the webhook cannot be stored faithfully")]
    Refused,
}

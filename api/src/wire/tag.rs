//! The groups of operations in the document.

use poem_openapi::Tags;

#[derive(Tags)]
pub(crate) enum Tag {
    /// Receiving.
    Webhooks,
    /// Looking up.
    Transactions,
    /// Retrying, replaying, giving up, pausing, and what of that has been done.
    Mending,
    /// For load balancers and orchestrators.
    Health,
}

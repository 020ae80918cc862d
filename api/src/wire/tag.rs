//! The groups of operations in the document.

use poem_openapi::Tags;

#[derive(Tags)]
pub(crate) enum Tag {
    /// Receiving.
    Webhooks,
    /// Looking up.
    Transactions,
    /// For load balancers and orchestrators.
    Health,
}

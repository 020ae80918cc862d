//! What a sender is told.

use poem_openapi::{Object, types::Example};
use serde::Serialize;

use super::Status;

/// What became of a webhook. Whatever it says, the transaction is committed.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Accepted {
    /// The sender's id of the transaction.
    pub(crate) transaction_id: String,
    /// Where the transaction is now.
    pub(crate) status: Status,
    /// This `transaction_id` had come before. Nothing is done twice.
    pub(crate) duplicate: bool,
    /// It had come before with other content. The first content stands; this one is kept for an
    /// operator to see.
    pub(crate) conflict: bool,
}

impl Example for Accepted {
    fn example() -> Self {
        Self {
            transaction_id: "txn_abc123".into(),
            status: Status::Processing,
            duplicate: false,
            conflict: false,
        }
    }
}

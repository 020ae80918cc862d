//! What operators ask for about one transaction, and what they are told.

use entity::{SourceName, TransactionId};
use poem_openapi::{Object, types::Example};
use serde::Serialize;

use super::Status;

/// Why somebody does something.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Why {
    /// For whoever asks later: kept with who has done what. No control characters.
    reason: String,
}

impl Example for Why {
    fn example() -> Self {
        Self {
            reason: "the service is back".into(),
        }
    }
}

/// What has become of a transaction.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Mended {
    /// Its source; `transactions` is the built-in one.
    source: String,
    /// The sender's id of it.
    transaction_id: String,
    /// Where it is in its life now.
    status: Status,
}

impl Mended {
    pub(crate) fn new((source, id): (SourceName, TransactionId), status: entity::Status) -> Self {
        Self {
            source: source.into(),
            transaction_id: id.into(),
            status: status.into(),
        }
    }
}

impl Example for Mended {
    fn example() -> Self {
        Self {
            source: "transactions".into(),
            transaction_id: "txn_abc123".into(),
            status: Status::Processing,
        }
    }
}

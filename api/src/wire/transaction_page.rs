//! Transactions, to whoever lists them.

use poem_openapi::{Object, types::Example};
use serde::Serialize;

use super::SourceTransaction;

/// Some transactions, newest first.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct TransactionPage {
    /// The transactions, without their payloads.
    pub(crate) data: Vec<SourceTransaction>,
    /// Where the next page begins, for the parameter `cursor`; `null` if there is no more. There may be one after an empty
    /// page, too: it says how far has been looked.
    #[oai(nullable)]
    pub(crate) next_cursor: Option<String>,
}

impl TransactionPage {
    /// Where the next page begins.
    pub fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

impl Example for TransactionPage {
    fn example() -> Self {
        Self {
            data: vec![SourceTransaction::example().without_payload()],
            next_cursor: Some("AQGNDLrgQHAAgAAAAAAAAAA".into()),
        }
    }
}

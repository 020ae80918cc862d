//! What a sender says, described. It is read elsewhere (`webhooks/parse.rs`), and strictly.

use std::collections::HashMap;

use poem_openapi::{
    Object,
    types::{Any, Example},
};
use serde_json::Value;

use super::SentAmount;

/// One transaction as its sender tells it. Members beyond these are kept as they are, and shown as `extra`.
#[derive(Object)]
#[oai(example)]
pub(crate) struct Webhook {
    /// The sender's id of the transaction: no control characters.
    transaction_id: String,
    /// The paying account: no control characters.
    source_account: String,
    /// The receiving account: no control characters.
    destination_account: String,
    /// How much. Kept exactly.
    amount: SentAmount,
    /// Three capital letters (ISO 4217).
    currency: String,
    #[oai(flatten)]
    others: HashMap<String, Any<Value>>,
}

impl Example for Webhook {
    fn example() -> Self {
        Self {
            transaction_id: "txn_abc123".into(),
            source_account: "acc_user_1".into(),
            destination_account: "acc_merchant_1".into(),
            amount: SentAmount::example(),
            currency: "INR".into(),
            others: HashMap::new(),
        }
    }
}

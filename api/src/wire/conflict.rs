//! What came under a known id with other content, to whoever looks it up.

use entity::conflict::Model;
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Amount, SourceTransaction,
    raw::{Raw, RawObject},
    source_transaction::either,
};

/// What stands under an id, and what else came under it.
#[derive(Serialize, Object)]
#[oai(example)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ConflictList {
    /// The transaction: what came first. Not there if it is kept no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stands: Option<SourceTransaction>,
    /// What came later with other content, each content once, in the order in which they came. Nothing was done with them.
    pub(crate) conflicts: Vec<Conflict>,
    /// Whether there may be more.
    pub(crate) more: bool,
}

/// Other content under a known id. Of the members that it need not have, those are there that it has.
#[derive(Serialize, Object)]
#[oai(example)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct Conflict {
    /// When it came first (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// The sender's word for what has happened.
    #[oai(rename = "type")]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// The paying account.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_account: Option<String>,
    /// The receiving account.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_account: Option<String>,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    /// Three capital letters (ISO 4217).
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// The members of a webhook of the built-in source beyond its five, as they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<RawObject>,
    /// The event as it was sent, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Raw>,
    /// The event's bytes in base64, if they are no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

impl From<Model> for Conflict {
    fn from(row: Model) -> Self {
        let (payload, payload_base64) = match &row.body {
            Some(body) => either(body),
            None => (None, None),
        };
        Self {
            received_at: row.received_at,
            kind: row.kind.map(String::from),
            source_account: row.source_account.map(String::from),
            destination_account: row.destination_account.map(String::from),
            amount: row.amount.map(Amount::from),
            currency: row.currency.map(String::from),
            extra: row.extra.as_deref().and_then(RawObject::new),
            payload,
            payload_base64,
        }
    }
}

impl Example for Conflict {
    fn example() -> Self {
        Self {
            received_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_318_200),
            kind: None,
            source_account: Some("acc_user_1".into()),
            destination_account: Some("acc_merchant_2".into()),
            amount: Some(Amount::example()),
            currency: Some("INR".into()),
            extra: None,
            payload: None,
            payload_base64: None,
        }
    }
}

impl Example for ConflictList {
    fn example() -> Self {
        Self {
            stands: Some(SourceTransaction::example()),
            conflicts: vec![Conflict::example()],
            more: false,
        }
    }
}

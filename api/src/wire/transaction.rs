//! A transaction, to whoever looks it up.

use entity::{failure, lifecycle::repeats::Beside, transaction::Model};
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

use super::{Amount, Failure, Repeats, Status, raw::RawObject};

/// A transaction as it stands.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Transaction {
    /// The sender's id of the transaction.
    transaction_id: String,
    /// The paying account.
    source_account: String,
    /// The receiving account.
    destination_account: String,
    /// How much: equal in value to what was sent.
    amount: Amount,
    /// Three capital letters (ISO 4217).
    currency: String,
    /// Where the transaction is in its life.
    status: Status,
    /// When it was committed (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was processed (RFC 3339, UTC); `null` until then.
    #[oai(nullable)]
    #[serde(with = "time::serde::rfc3339::option")]
    processed_at: Option<OffsetDateTime>,
    /// The members of the webhook beyond the five, as they were sent; only there if there were any.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<RawObject>,
    /// Why it is `FAILED`; only there if it is.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// How often the id came again; only there if it did.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<Repeats>,
    /// How many other contents have come under the id, up to 101; only there if any did.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts: Option<i64>,
}

impl Transaction {
    /// `None` if it is none of the built-in source's, which have all of this.
    pub(crate) fn new(row: Model, failure: Option<failure::Model>) -> Option<Self> {
        Some(Self {
            transaction_id: row.transaction_id.into(),
            source_account: row.source_account?.into(),
            destination_account: row.destination_account?.into(),
            amount: row.amount?.into(),
            currency: row.currency?.into(),
            status: row.status.into(),
            created_at: row.created_at,
            processed_at: row.processed_at,
            extra: row.extra.as_deref().and_then(RawObject::new),
            failure: failure.map(Failure::from),
            repeats: None,
            conflicts: None,
        })
    }

    /// The same, with what else came under its id.
    pub(crate) fn with(self, beside: &Beside) -> Self {
        Self {
            repeats: Repeats::new(beside.repeats, beside.last_repeat_at),
            conflicts: (beside.conflicts > 0).then_some(beside.conflicts),
            ..self
        }
    }
}

impl Example for Transaction {
    fn example() -> Self {
        let created_at = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600);
        Self {
            transaction_id: "txn_abc123".into(),
            source_account: "acc_user_1".into(),
            destination_account: "acc_merchant_1".into(),
            amount: Amount::example(),
            currency: "INR".into(),
            status: Status::Processed,
            created_at,
            processed_at: Some(created_at + time::Duration::seconds(30)),
            extra: None,
            failure: None,
            repeats: None,
            conflicts: None,
        }
    }
}

//! What has happened, to whoever follows it.

use entity::{Verdict, audit, lifecycle::failed::Failed, transaction::Model};
use sea_orm::ActiveEnum as _;
use serde::Serialize;
use time::OffsetDateTime;

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    pub event: Kind,
    /// By the database's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Of the transaction that it is about, if it is about one whose row is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The sender's word for what has happened.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why a transaction was given up, or an operator did what they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// What an operator did, who it was, and with how many transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
}

/// What kind of thing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A webhook was committed.
    Accepted,
    /// A transaction is `PROCESSED`.
    Finished,
    /// A transaction is `FAILED`.
    Failed,
    /// An operator has done something.
    Operator,
}

impl Kind {
    /// As it stands in an event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Operator => "operator",
        }
    }
}

impl Event {
    fn new(event: Kind, at: OffsetDateTime) -> Self {
        Self {
            event,
            at,
            source: None,
            transaction_id: None,
            kind: None,
            reason: None,
            verdict: None,
            act: None,
            who: None,
            count: None,
        }
    }

    fn about(event: Kind, at: OffsetDateTime, row: &Model) -> Self {
        Self {
            source: Some(row.source.as_ref().to_owned()),
            transaction_id: Some(row.transaction_id.as_ref().to_owned()),
            kind: row.kind.as_ref().map(|kind| kind.as_ref().to_owned()),
            ..Self::new(event, at)
        }
    }

    pub(super) fn accepted(row: &Model) -> Self {
        Self::about(Kind::Accepted, row.created_at, row)
    }

    /// `None` if it is not `PROCESSED`.
    pub(super) fn finished(row: &Model) -> Option<Self> {
        Some(Self::about(Kind::Finished, row.processed_at?, row))
    }

    pub(super) fn failed(failed: Failed) -> Self {
        Self {
            source: failed.source.map(String::from),
            transaction_id: failed.transaction_id.map(String::from),
            reason: Some(failed.reason),
            verdict: Some(Verdict::to_value(&failed.verdict)),
            ..Self::new(Kind::Failed, failed.failed_at)
        }
    }

    pub(super) fn operator(act: audit::Model) -> Self {
        Self {
            source: act.source.map(String::from),
            transaction_id: act.transaction_id.map(String::from),
            reason: Some(act.reason),
            act: Some(act.act),
            who: Some(act.who),
            count: Some(act.count),
            ..Self::new(Kind::Operator, act.acted_at)
        }
    }
}

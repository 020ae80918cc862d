//! What operators have done, to whoever asks.

use entity::{audit::Model, lifecycle::operate::audit::Page};
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

use super::raw::RawObject;
use crate::cursor;

/// An act of an operator.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct AuditLine {
    /// What, in a word: `retry`, `replay`, `give_up`, `bulk_retry`, `bulk_pause`, `bulk_resume`, `bulk_cancel`, `pause`, `resume`,
    /// and others.
    act: String,
    /// Who: the token's name, or the command line's user.
    who: String,
    /// Why, in their words.
    reason: String,
    /// The source that it was about; only there if it was about one.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The transaction that it was about; only there if it was about one.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    /// That transaction's row, or the `id` of what was retried together; only there if there is one.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// How many transactions it was about.
    count: i64,
    /// What else there is to know; only there if there is anything.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<RawObject>,
    /// When (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    acted_at: OffsetDateTime,
}

/// Some acts, newest first.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct AuditPage {
    /// The acts.
    pub data: Vec<AuditLine>,
    /// Where the next page begins, for the parameter `cursor`; `null` if there is no more.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

impl From<Model> for AuditLine {
    fn from(row: Model) -> Self {
        Self {
            act: row.act,
            who: row.who,
            reason: row.reason,
            source: row.source.map(String::from),
            transaction_id: row.transaction_id.map(String::from),
            subject: row.subject.map(|subject| subject.to_string()),
            count: row.count,
            detail: row.detail.as_deref().and_then(RawObject::new),
            acted_at: row.acted_at,
        }
    }
}

impl From<Page> for AuditPage {
    fn from(page: Page) -> Self {
        Self {
            data: page.lines.into_iter().map(AuditLine::from).collect(),
            next_cursor: page.next.map(cursor::encode),
        }
    }
}

impl Example for AuditLine {
    fn example() -> Self {
        Self {
            act: "retry".into(),
            who: "anna".into(),
            reason: "the service is back".into(),
            source: Some("transactions".into()),
            transaction_id: Some("txn_abc123".into()),
            subject: Some("018d0cba-e040-7000-8000-000000000000".into()),
            count: 1,
            detail: None,
            acted_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600),
        }
    }
}

impl Example for AuditPage {
    fn example() -> Self {
        Self {
            data: vec![AuditLine::example()],
            next_cursor: None,
        }
    }
}

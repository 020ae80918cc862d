//! Why the work for a transaction was given up.

use entity::failure::Model;
use poem_openapi::{Enum, Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

/// Why the work was given up; only there if the transaction is `FAILED`.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Failure {
    /// In one word.
    verdict: Verdict,
    /// For people.
    reason: String,
    /// When it was given up (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    failed_at: OffsetDateTime,
}

/// Why the work was given up, in one word.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    /// Downstream has refused it for good.
    Permanent,
    /// The last attempt of the schedule has failed.
    Exhausted,
    /// It killed or panicked its consumer again and again.
    Poison,
    /// An operator has given it up.
    GivenUp,
}

impl From<entity::Verdict> for Verdict {
    fn from(verdict: entity::Verdict) -> Self {
        match verdict {
            entity::Verdict::Permanent => Self::Permanent,
            entity::Verdict::Exhausted => Self::Exhausted,
            entity::Verdict::Poison => Self::Poison,
            entity::Verdict::GivenUp => Self::GivenUp,
        }
    }
}

impl From<Model> for Failure {
    fn from(row: Model) -> Self {
        Self {
            verdict: row.verdict.into(),
            reason: row.reason,
            failed_at: row.failed_at,
        }
    }
}

impl Example for Failure {
    fn example() -> Self {
        Self {
            verdict: Verdict::Permanent,
            reason: "answered 422 Unprocessable Entity".into(),
            failed_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_630),
        }
    }
}

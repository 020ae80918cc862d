//! The attempts at a transaction, to whoever looks them up.

use entity::attempt::Model;
use poem_openapi::{Enum, Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

/// What has been tried for a transaction.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct AttemptList {
    /// In their order. A simulated call is no attempt, and one that ended with the death of its consumer has a number
    /// and is not here.
    pub(crate) attempts: Vec<Attempt>,
}

/// One call to downstream.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct Attempt {
    /// 1 for the first.
    number: i32,
    /// When it began (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// How long it took, in milliseconds.
    took_ms: i64,
    /// What came of it.
    outcome: Outcome,
    /// The HTTP status of downstream's answer; `null` if there was none.
    #[oai(nullable)]
    status: Option<i32>,
    /// What went wrong; `null` if nothing did.
    #[oai(nullable)]
    error: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Outcome {
    /// The work is done.
    Succeeded,
    /// Downstream has refused it for good.
    Refused,
    /// It is tried again, or was the last.
    Failed,
    /// The service itself failed at it.
    Panicked,
}

impl From<Model> for Attempt {
    fn from(row: Model) -> Self {
        Self {
            number: row.number,
            started_at: row.started_at,
            took_ms: row.took_ms,
            outcome: match row.outcome {
                entity::Outcome::Succeeded => Outcome::Succeeded,
                entity::Outcome::Refused => Outcome::Refused,
                entity::Outcome::Failed => Outcome::Failed,
                entity::Outcome::Panicked => Outcome::Panicked,
            },
            status: row.status,
            error: row.error,
        }
    }
}

impl Example for Attempt {
    fn example() -> Self {
        Self {
            number: 1,
            started_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600),
            took_ms: 84,
            outcome: Outcome::Failed,
            status: Some(503),
            error: Some("answered 503 Service Unavailable".into()),
        }
    }
}

impl Example for AttemptList {
    fn example() -> Self {
        Self {
            attempts: vec![Attempt::example()],
        }
    }
}

//! `GET /v1/transactions/{transaction_id}/attempts`: what has been tried for a transaction.

use entity::{Outcome, attempt::Model, lifecycle};
use poem_openapi::{Enum, Object, OpenApi, param::Path, types::Example};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    look_up::{self, Answer, example_id},
    routes::Tag,
};

pub(crate) struct Attempts {
    pub(crate) db: DatabaseConnection,
}

/// What has been tried for a transaction.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct AttemptList {
    /// In their order. A simulated call is no attempt, and one that ended with the death of its consumer has a number
    /// and is not here.
    attempts: Vec<Attempt>,
}

/// One call to the far side.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Attempt {
    /// 1 for the first.
    number: i32,
    /// When it began (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// How long it took, in milliseconds.
    took_ms: i64,
    /// What came of it.
    outcome: OutcomeSchema,
    /// The HTTP status of the far side's answer; `null` if there was none.
    #[oai(nullable)]
    status: Option<i32>,
    /// What went wrong; `null` if nothing did.
    #[oai(nullable)]
    error: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE", rename = "Outcome")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum OutcomeSchema {
    /// The work is done.
    Succeeded,
    /// The far side has refused it for good.
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
                Outcome::Succeeded => OutcomeSchema::Succeeded,
                Outcome::Refused => OutcomeSchema::Refused,
                Outcome::Failed => OutcomeSchema::Failed,
                Outcome::Panicked => OutcomeSchema::Panicked,
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
            outcome: OutcomeSchema::Failed,
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

#[OpenApi]
impl Attempts {
    /// See what has been tried
    ///
    /// Answers with every attempt at the transaction whose end is known: when it began, how long it took, and what
    /// came of it.
    #[oai(
        path = "/v1/transactions/:transaction_id/attempts",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listAttempts"
    )]
    async fn list(
        &self,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
    ) -> Answer<AttemptList> {
        look_up::answer(&transaction_id, self.load(&transaction_id)).await
    }
}

impl Attempts {
    async fn load(&self, transaction_id: &str) -> Result<Option<AttemptList>, DbErr> {
        let Some(row) = lifecycle::find(&self.db, transaction_id).await? else {
            return Ok(None);
        };
        let attempts = lifecycle::attempts(&self.db, row.id).await?;
        Ok(Some(AttemptList {
            attempts: attempts.into_iter().map(Attempt::from).collect(),
        }))
    }
}

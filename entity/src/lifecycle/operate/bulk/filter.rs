//! Which failed transactions are meant.
//!
//! What matches is decided here and not by the databases: they have no common way of taking the digits out of a text, and
//! what is counted must be what is retried.

use sea_orm::{ActiveEnum as _, DatabaseConnection, DbBackend, DbErr, Value};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::super::{list::first_id, query, sql};
use crate::{ParseSourceNameError, SourceName, Verdict, failure::without_numbers};

/// Failures that one statement reads.
pub(super) const READ_MAX: usize = 1_000;

/// Which failed transactions are meant: those to which all of this applies. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Filter {
    pub source: Option<SourceName>,
    pub verdict: Option<Verdict>,
    /// The reason contains this: as it is, or with an `N` for each number, as failures are grouped.
    pub error: Option<String>,
    /// Received then or later, by the receiver's clock.
    pub from: Option<OffsetDateTime>,
    /// Received before.
    pub to: Option<OffsetDateTime>,
}

/// A filter as it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    from: Option<OffsetDateTime>,
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    to: Option<OffsetDateTime>,
}

/// Why something is no [`Filter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotFilter {
    #[error("source: {0}")]
    Source(ParseSourceNameError),
    #[error("verdict: must be PERMANENT, EXHAUSTED, POISON or GIVEN_UP")]
    Verdict,
}

impl From<Filter> for Stored {
    fn from(filter: Filter) -> Self {
        Self {
            source: filter.source.map(String::from),
            verdict: filter.verdict.map(|verdict| verdict.to_value()),
            error: filter.error,
            from: filter.from,
            to: filter.to,
        }
    }
}

impl TryFrom<Stored> for Filter {
    type Error = NotFilter;

    fn try_from(stored: Stored) -> Result<Self, NotFilter> {
        let source = stored.source.map(|source| source.parse()).transpose();
        let verdict = stored
            .verdict
            .map(|verdict| Verdict::try_from_value(&verdict));
        Ok(Self {
            source: source.map_err(NotFilter::Source)?,
            verdict: verdict.transpose().map_err(|_| NotFilter::Verdict)?,
            error: stored.error,
            from: stored.from,
            to: stored.to,
        })
    }
}

/// A failure, as far as filters ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) id: Uuid,
    verdict: Verdict,
    reason: String,
    source: Option<SourceName>,
    /// It failed before the bulk retry began that asks for it, if one does.
    is_in_time: bool,
}

impl Filter {
    /// A filter that was stored by [`Filter::to_json`].
    pub fn from_json(text: &str) -> Result<Self, DbErr> {
        serde_json::from_str(text).map_err(|error| DbErr::Json(error.to_string()))
    }

    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    pub(super) fn first_id(&self) -> Uuid {
        self.from.map_or(Uuid::nil(), first_id)
    }

    fn end_id(&self) -> Uuid {
        self.to.map_or(Uuid::max(), first_id)
    }

    fn applies(&self, failure: &Failure) -> bool {
        let is_like = |error: &String| {
            failure.reason.contains(error) || without_numbers(&failure.reason).contains(error)
        };
        self.verdict.is_none_or(|verdict| verdict == failure.verdict)
            && self.error.as_ref().is_none_or(is_like)
            && failure.is_in_time
            // A row that is there no more cannot be retried.
            && failure.source.is_some()
            && (self.source.is_none() || self.source == failure.source)
    }
}

/// Some of what matches.
pub(super) struct Portion {
    pub(super) ids: Vec<Uuid>,
    pub(super) end: End,
}

/// How far a portion has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There may be more from this id on.
    Next(Uuid),
    /// There is nothing more.
    All,
}

/// What matches from an id on, in the order of the ids, `limit` at most, among the next `read` that have failed. `bulk`: the
/// bulk retry that says before when it must have failed.
pub(super) async fn portion(
    db: &DatabaseConnection,
    filter: &Filter,
    from: Uuid,
    bulk: Option<Uuid>,
    (limit, read): (usize, usize),
) -> Result<Portion, DbErr> {
    let failures = failures(db, from, filter.end_id(), bulk, read).await?;
    let is_full = failures.len() == read;
    let mut ids = Vec::new();
    for failure in &failures {
        if ids.len() == limit {
            let end = End::Next(failure.id);
            return Ok(Portion { ids, end });
        }
        if filter.applies(failure) {
            ids.push(failure.id);
        }
    }
    let end = match failures.last() {
        Some(last) if is_full => End::Next(Uuid::from_u128(last.id.as_u128().saturating_add(1))),
        _ => End::All,
    };
    Ok(Portion { ids, end })
}

async fn failures(
    db: &DatabaseConnection,
    from: Uuid,
    to: Uuid,
    bulk: Option<Uuid>,
    read: usize,
) -> Result<Vec<Failure>, DbErr> {
    let row = match db.get_database_backend() {
        DbBackend::Postgres => {
            "LEFT JOIN LATERAL (SELECT source FROM transactions WHERE transactions.id = entries.id OFFSET 0) \
             AS transactions ON true"
        }
        _ => "LEFT JOIN transactions ON transactions.id = entries.id",
    };
    let is_in_time = match bulk {
        Some(_) => "failed_at < (SELECT failed_before FROM bulk_retries WHERE id = $3)",
        None => "true",
    };
    let select = format!(
        "SELECT entries.id, verdict, reason, source, is_in_time \
         FROM (SELECT id, verdict, reason, {is_in_time} AS is_in_time FROM failures WHERE id >= $1 AND id < $2 \
               ORDER BY id LIMIT {read}) AS entries {row} ORDER BY entries.id"
    );
    let ids = [from.into(), to.into()];
    let values: Vec<Value> = ids.into_iter().chain(bulk.map(Value::from)).collect();
    let rows = query(db, sql::statement(db, select, values)).await?;
    let rows = rows.iter().map(|row| {
        Ok(Failure {
            id: row.try_get_by("id")?,
            verdict: row.try_get_by("verdict")?,
            reason: row.try_get_by("reason")?,
            source: row.try_get_by("source")?,
            is_in_time: row.try_get_by("is_in_time")?,
        })
    });
    rows.collect()
}

//! Retries of many transactions, to whoever begins, lists or watches them.

use entity::{
    bulk_retry::{Model, State},
    lifecycle::operate::bulk::{Filter, Progress},
};
use poem_openapi::{Enum, Object, types::Example};
use sea_orm::DbErr;
use serde::Serialize;
use time::OffsetDateTime;

use super::failure::Verdict;

/// What to retry, and how.
#[derive(Object)]
#[oai(example)]
pub(crate) struct RetryAll {
    /// Which failed transactions; `{}` means all of them.
    filter: FailureFilter,
    /// How many a second.
    #[oai(
        default = "default_rate",
        validator(minimum(value = "1"), maximum(value = "10000"))
    )]
    rate: u32,
    /// Whether to count them and do nothing else.
    #[oai(default)]
    dry_run: bool,
    /// Why, for whoever asks later. It must be there, but with `dry_run`.
    #[oai(skip_serializing_if_is_none)]
    reason: Option<String>,
}

/// Which failed transactions are meant: those to which all of this applies.
#[derive(Clone, Serialize, Object)]
#[oai(example)]
pub(crate) struct FailureFilter {
    /// May be there as in a list's parameters: nothing else can be retried.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<FailedStatus>,
    /// The name of their source.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Why they were given up.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// The reason of the failure contains this: as it is, or with an `N` for each number.
    #[oai(
        skip_serializing_if_is_none,
        validator(min_length = 1, max_length = 1000)
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Received at this time or later (RFC 3339).
    #[oai(skip_serializing_if_is_none)]
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    from: Option<OffsetDateTime>,
    /// Received before this time.
    #[oai(skip_serializing_if_is_none)]
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    to: Option<OffsetDateTime>,
}

/// The only status of which many can be retried.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum FailedStatus {
    /// The work was given up.
    Failed,
}

/// How many match.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Counted {
    /// Failed transactions that match, exactly.
    pub(crate) matched: u64,
}

/// Transactions that are retried together.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct BulkRetry {
    /// By which it is looked at, paused and ended.
    id: String,
    /// Whether it goes on.
    state: BulkState,
    /// Which failed transactions were meant.
    filter: FailureFilter,
    /// How many are reopened a second.
    rate: i32,
    /// Who has begun it: the token's name, or the command line's user.
    who: String,
    /// Why.
    reason: String,
    /// How many matched when it began.
    matched: i64,
    /// How many have been reopened.
    retried: i64,
    /// How many were not to be reopened: others had done that, or their content is gone.
    passed_over: i64,
    /// What has become of the reopened; only there where one is looked at alone.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<BulkProgress>,
    /// When it began (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was done or ended (RFC 3339, UTC); `null` until then.
    #[oai(nullable)]
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

/// What has become of what was reopened together.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct BulkProgress {
    /// Not final yet.
    unfinished: u64,
    /// Processed.
    processed: u64,
    /// Failed again, and left alone.
    failed: u64,
    /// Failed again, and reopened by somebody else since.
    retried_again: i64,
}

/// Whether it goes on.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum BulkState {
    /// It goes on.
    Running,
    /// It waits until somebody resumes it.
    Paused,
    /// Somebody has ended it. Final.
    Cancelled,
    /// It has come by everything that matched. Final.
    Done,
}

/// Retries of many, newest first.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct BulkRetryList {
    /// Without what has become of what they reopened.
    pub data: Vec<BulkRetry>,
}

impl BulkRetry {
    /// Without its progress.
    pub fn begun(row: Model) -> Result<Self, DbErr> {
        Ok(Self {
            filter: FailureFilter::from(Filter::from_json(&row.filter)?),
            id: row.id.to_string(),
            state: row.state.into(),
            rate: row.rate,
            who: row.who,
            reason: row.reason,
            matched: row.matched,
            retried: row.retried,
            passed_over: row.passed_over,
            progress: None,
            created_at: row.created_at,
            ended_at: row.ended_at,
        })
    }

    /// With its progress.
    pub fn with_progress(found: Progress) -> Result<Self, DbErr> {
        let progress = BulkProgress {
            unfinished: found.remaining,
            processed: found.processed,
            failed: found.failed,
            retried_again: found.bulk.retried_again,
        };
        Ok(Self {
            progress: Some(progress),
            ..Self::begun(found.bulk)?
        })
    }
}

impl From<State> for BulkState {
    fn from(state: State) -> Self {
        match state {
            State::Running => Self::Running,
            State::Paused => Self::Paused,
            State::Cancelled => Self::Cancelled,
            State::Done => Self::Done,
        }
    }
}

impl From<Filter> for FailureFilter {
    fn from(filter: Filter) -> Self {
        Self {
            status: None,
            source: filter.source.map(String::from),
            verdict: filter.verdict.map(Verdict::from),
            error: filter.error,
            from: filter.from,
            to: filter.to,
        }
    }
}

fn default_rate() -> u32 {
    50
}

impl Example for RetryAll {
    fn example() -> Self {
        Self {
            filter: FailureFilter::example(),
            rate: 50,
            dry_run: false,
            reason: Some("the service is back".into()),
        }
    }
}

impl Example for FailureFilter {
    fn example() -> Self {
        Self {
            status: None,
            source: Some("stripe".into()),
            verdict: Some(Verdict::Exhausted),
            error: Some("answered N Service Unavailable".into()),
            from: None,
            to: None,
        }
    }
}

impl Example for Counted {
    fn example() -> Self {
        Self { matched: 19 }
    }
}

impl Example for BulkProgress {
    fn example() -> Self {
        Self {
            unfinished: 1,
            processed: 16,
            failed: 2,
            retried_again: 0,
        }
    }
}

impl Example for BulkRetry {
    fn example() -> Self {
        Self {
            id: "018d0cba-e040-7000-8000-000000000000".into(),
            state: BulkState::Done,
            filter: FailureFilter::example(),
            rate: 50,
            who: "anna".into(),
            reason: "the service is back".into(),
            matched: 19,
            retried: 19,
            passed_over: 0,
            progress: Some(BulkProgress::example()),
            created_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600),
            ended_at: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_601)),
        }
    }
}

impl Example for BulkRetryList {
    fn example() -> Self {
        Self {
            data: vec![BulkRetry {
                progress: None,
                ..BulkRetry::example()
            }],
        }
    }
}

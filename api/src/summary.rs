//! `GET /v1/summary`: how many, and how much. Who asks in another way than over HTTP [`parse`]s and [`load`]s the same.

mod query;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use entity::lifecycle::summary::{Total, add};
use poem::{Request, http::StatusCode};
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::Semaphore;

use crate::{
    access::MayRead,
    json::Json,
    look_up,
    problem::Problem,
    wire::{Summary, SummaryLine, Tag},
};
pub(crate) use query::document;
pub use query::{Query, parse};

/// From the request to the answer. Each statement of it is short.
const WITHIN: Duration = Duration::from_secs(60);
/// Seconds to wait where another summary is made.
const RETRY_AFTER_SECS: u32 = 5;

pub(crate) struct Summaries {
    db: DatabaseConnection,
    /// One at a time: each reads all of its span, and look-ups want to be answered beside it.
    turn: Arc<Semaphore>,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The counts and sums.
    #[oai(status = 200)]
    Summary(Json<Summary>),
    /// A parameter is missing, unknown, stands twice, or its value is not what it must be; `errors` names each.
    #[oai(status = 422, content_type = "application/problem+json")]
    Unclear(Json<Problem>),
    /// The database does not answer just now, another summary is being made, or the span is too much to read.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

impl Summaries {
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

#[OpenApi]
impl Summaries {
    /// Count and sum transactions
    ///
    /// Answers with how many transactions were received in a span of time, and the exact sums of their amounts, by source,
    /// currency and status, as far as `by` names them. It reads every transaction of the span: about a million in a few
    /// seconds.
    #[oai(
        path = "/v1/summary",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "getSummary"
    )]
    async fn get(&self, _may: MayRead, request: &Request) -> Answer {
        let asked = request.uri().query().unwrap_or_default();
        let query = match parse(form_urlencoded::parse(asked.as_bytes())) {
            Ok(query) => query,
            Err(errors) => {
                let detail = "the query does not say what to sum up";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors).json());
            }
        };
        let Ok(_turn) = self.turn.try_acquire() else {
            return unavailable("another summary is being made");
        };
        match tokio::time::timeout(WITHIN, load(&self.db, &query, |_| ())).await {
            Ok(Ok(summary)) => Answer::Summary(Json(summary)),
            Ok(Err(error)) => {
                let (problem, retry_after) = look_up::unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
            Err(_) => unavailable("the span is too much to read in time: ask for parts of it"),
        }
    }
}

fn unavailable(detail: &str) -> Answer {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    Answer::Unavailable(problem.json(), RETRY_AFTER_SECS)
}

/// Sums up, a portion at a time, and tells after each how many transactions are summed up so far.
pub async fn load(
    db: &DatabaseConnection,
    query: &Query,
    mut tell: impl FnMut(u64),
) -> Result<Summary, DbErr> {
    let mut totals = BTreeMap::new();
    let mut range = query.range;
    while let Some(next) = add(db, range, &mut totals).await? {
        range.from = next;
        tell(totals.values().map(|total: &Total| total.count).sum());
    }
    let by = query.by;
    let mut lines: BTreeMap<_, Total> = BTreeMap::new();
    for (kind, total) in totals {
        let source = by.source.then(|| String::from(kind.source));
        let currency = kind.currency.filter(|_| by.currency).map(String::from);
        let status = by.status.then_some(kind.status);
        lines
            .entry((source, currency, status))
            .or_default()
            .add(total);
    }
    let data = lines
        .into_iter()
        .map(|((source, currency, status), total)| {
            SummaryLine::new(source, (currency, by.currency), status, total)
        });
    Ok(Summary {
        from: query.from,
        to: query.to,
        data: data.collect(),
    })
}

//! `GET /v1/transactions`: list transactions, page by page. Who asks in another way than over HTTP [`parse`]s and [`load`]s the
//! same.

mod parameters;
mod query;

use std::collections::HashMap;

use entity::{
    Status, failure,
    lifecycle::{
        self,
        list::{Page, page},
    },
};
use poem::{Request, http::StatusCode};
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use crate::{
    access::MayRead,
    cursor,
    json::Json,
    look_up,
    problem::Problem,
    wire::{SourceTransaction, Tag, TransactionPage},
};
pub(crate) use parameters::{document, filter, span, text};
pub(crate) use query::{FROM, Given, TO, parse_span, time};
pub use query::{Query, parse};

pub(crate) struct List {
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The page. Where a filter is rare it may be empty, and `next_cursor` says where to go on.
    #[oai(status = 200)]
    Page(Json<TransactionPage>),
    /// A parameter is unknown, stands twice, or its value is not what it must be; `errors` names each.
    #[oai(status = 422, content_type = "application/problem+json")]
    Unclear(Json<Problem>),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

#[OpenApi]
impl List {
    /// List transactions
    ///
    /// Answers with the newest transactions of all sources, or with those of them that every given parameter names. Without
    /// their payloads. A page looks at a bounded number of transactions, so it is answered in time whatever it is asked for;
    /// the next one begins where it ended. There is no total.
    #[oai(
        path = "/v1/transactions",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listTransactions"
    )]
    async fn list(&self, _may: MayRead, request: &Request) -> Answer {
        let asked = request.uri().query().unwrap_or_default();
        let query = match parse(form_urlencoded::parse(asked.as_bytes())) {
            Ok(query) => query,
            Err(errors) => {
                let detail = "the query does not say what to list";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors).json());
            }
        };
        match look_up::in_time(load(&self.db, &query)).await {
            Ok(found) => Answer::Page(Json(found.into())),
            Err(error) => {
                let (problem, retry_after) = look_up::unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

/// A page, and why those of it have failed that have.
pub struct Found {
    pub page: Page,
    /// By the ids of their rows.
    pub failures: HashMap<Uuid, failure::Model>,
}

/// Reads a page.
pub async fn load(db: &DatabaseConnection, query: &Query) -> Result<Found, DbErr> {
    let page = page(db, &query.filter, query.range, query.limit).await?;
    let failed = page.rows.iter().filter(|row| row.status == Status::Failed);
    let failed: Vec<Uuid> = failed.map(|row| row.id).collect();
    let failures = match failed.is_empty() {
        true => HashMap::new(),
        false => lifecycle::failures(db, &failed).await?,
    };
    Ok(Found { page, failures })
}

impl From<Found> for TransactionPage {
    fn from(found: Found) -> Self {
        let Found { page, mut failures } = found;
        let rows = page.rows.into_iter().map(|row| {
            let failure = failures.remove(&row.id);
            SourceTransaction::new(row, None, failure)
        });
        Self {
            data: rows.collect(),
            next_cursor: page.next.map(cursor::encode),
        }
    }
}

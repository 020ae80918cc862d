//! `GET /v1/export`: a span of time as a file, page by page as its reader takes it: there is never more than one page in memory. Who
//! asks in another way than over HTTP [`parse`]s and goes through [`Pages`] the same.

mod format;
mod query;

use bytes::Bytes;
use futures::stream;
use poem::{Body, Request, http::StatusCode};
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    access::MayRead,
    json::Json,
    list::{self, load},
    look_up,
    problem::Problem,
    wire::{File, Tag},
};
pub(crate) use format::CONTENT_TYPES;
pub use format::Format;
pub(crate) use query::document;
pub use query::{Query, parse};

/// Transactions on a page.
const PAGE: usize = 500;

pub(crate) struct Exports {
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The file. One that ends early was not read to its end: the connection then breaks off.
    #[oai(status = 200)]
    File(File),
    /// A parameter is missing, unknown, stands twice, or its value is not what it must be; `errors` names each.
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
impl Exports {
    /// Export transactions
    ///
    /// Answers with all transactions that were received in a span of time and that every given parameter names, newest first,
    /// without their payloads: as CSV (RFC 4180), or as one JSON object a line. It has no length that is known before.
    #[oai(
        path = "/v1/export",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "exportTransactions"
    )]
    async fn get(&self, _may: MayRead, request: &Request) -> Answer {
        let asked = request.uri().query().unwrap_or_default();
        let query = match parse(form_urlencoded::parse(asked.as_bytes())) {
            Ok(query) => query,
            Err(errors) => {
                let detail = "the query does not say what to export";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors).json());
            }
        };
        let format = query.format;
        let mut pages = Pages::new(self.db.clone(), query);
        // What goes wrong at once can still be answered.
        let first = match pages.next().await {
            Ok(first) => first.unwrap_or_default(),
            Err(error) => {
                let (problem, retry_after) = look_up::unavailable(&error);
                return Answer::Unavailable(problem, retry_after);
            }
        };
        let rest = stream::try_unfold(pages, |mut pages: Pages| async move {
            let page = pages.next().await.map_err(|error| {
                tracing::error!(event = "export_failed", %error, "an export was broken off");
                std::io::Error::other("the database could not be asked")
            })?;
            Ok(page.map(|page| (Bytes::from(page), pages)))
        });
        let first = stream::once(async move { Ok::<Bytes, std::io::Error>(Bytes::from(first)) });
        let body = Body::from_bytes_stream(futures::StreamExt::chain(first, rest));
        Answer::File(File {
            content_type: format.content_type(),
            name: format.file_name(),
            body,
        })
    }
}

/// An export, page by page.
pub struct Pages {
    db: DatabaseConnection,
    format: Format,
    /// `None` if there is nothing more.
    next: Option<list::Query>,
    /// Whether the next page is the first.
    is_first: bool,
}

impl Pages {
    pub fn new(db: DatabaseConnection, query: Query) -> Self {
        Self {
            db,
            format: query.format,
            next: Some(list::Query {
                filter: query.filter,
                range: query.range,
                limit: PAGE,
            }),
            is_first: true,
        }
    }

    /// The next page as a text; `None` if there is no more. Where what is wanted is rare, a page may be empty.
    pub async fn next(&mut self) -> Result<Option<String>, DbErr> {
        let Some(query) = self.next.take() else {
            return Ok(None);
        };
        let found = look_up::in_time(load(&self.db, &query)).await?;
        let mut text = String::new();
        if std::mem::take(&mut self.is_first) {
            self.format.begin(&mut text);
        }
        self.next = found.page.next.map(|to| {
            let mut query = query;
            query.range.to = to;
            query
        });
        self.format.write(&mut text, found);
        Ok(Some(text))
    }
}

//! `GET /v1/refusals`: who was refused, and why. Who asks in another way than over HTTP [`load`]s the same.

use entity::{SourceName, lifecycle::refusals};
use poem::http::StatusCode;
use poem_openapi::{ApiResponse, OpenApi, param::Query};
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use crate::{
    access::MayRead,
    cursor,
    json::Json,
    look_up::{self, example_source_query},
    problem::{FieldError, Problem},
    wire::{Refusal, RefusalPage, Tag},
};

/// Lines on a page.
const LIMIT: usize = 50;

pub(crate) struct Refusals {
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The page.
    #[oai(status = 200)]
    Page(Json<RefusalPage>),
    /// A parameter's value is not what it must be; `errors` names each.
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

/// Which refusals a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `None`: those of all sources.
    pub source: Option<SourceName>,
    /// Below this id.
    below: Uuid,
}

#[OpenApi]
impl Refusals {
    /// List refusals
    ///
    /// Answers with the requests that were refused last, because they were not proven to be their sender's: fifty on a page.
    #[oai(
        path = "/v1/refusals",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listRefusals"
    )]
    async fn list(
        &self,
        _may: MayRead,
        /// Only those of this source.
        #[oai(example = "example_source_query")]
        source: Query<Option<String>>,
        /// The `next_cursor` of the page before.
        #[oai(example = "example_cursor")]
        cursor: Query<Option<String>>,
    ) -> Answer {
        let wanted = match read(source.0.as_deref(), cursor.0.as_deref()) {
            Ok(wanted) => wanted,
            Err(errors) => {
                let detail = "the query does not say which refusals";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors).json());
            }
        };
        match look_up::in_time(load(&self.db, &wanted)).await {
            Ok(page) => Answer::Page(Json(page)),
            Err(error) => {
                let (problem, retry_after) = look_up::unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

/// Reads what a page is asked for. Fails with all that is wrong, each to be read behind its parameter's name.
pub fn read(source: Option<&str>, cursor: Option<&str>) -> Result<Wanted, Vec<FieldError>> {
    let below = cursor.map_or(Ok(Uuid::max()), |text| {
        let reason = "must be the next_cursor of a page, unchanged";
        cursor::decode(text).ok_or_else(|| FieldError::new("cursor", reason))
    });
    match (look_up::source(source), below) {
        (Ok(source), Ok(below)) => Ok(Wanted { source, below }),
        (source, below) => Err([source.err(), below.err()].into_iter().flatten().collect()),
    }
}

/// Reads a page.
pub async fn load(db: &DatabaseConnection, wanted: &Wanted) -> Result<RefusalPage, DbErr> {
    let source = wanted.source.as_ref();
    let (lines, next) = refusals::page(db, source, wanted.below, LIMIT).await?;
    Ok(RefusalPage {
        data: lines.into_iter().map(Refusal::from).collect(),
        next_cursor: next.map(cursor::encode),
    })
}

fn example_cursor() -> Option<String> {
    Some("AQGNDLrgQHAAgAAAAAAAAAA".into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::scene::service::{OK, Service, sender};

    #[tokio::test]
    async fn whoever_was_refused_is_listed_with_the_reason_and_nothing_of_the_body() {
        let service = Service::new([sender("stripe", "stripe"), sender("github", "github")]).await;
        assert_eq!(service.post("stripe", &[], "{}").await.status, 401);
        let lines = async |query: &str| {
            let answer = service.get(&format!("/v1/refusals{query}")).await;
            assert_eq!(answer.status, OK);
            answer.json()["data"].clone()
        };
        let listed = async {
            loop {
                let listed = lines("").await;
                if listed[0].is_object() {
                    return listed;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let listed = tokio::time::timeout(Duration::from_secs(30), listed).await;
        let listed = listed.unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["source"], "stripe");
        assert_eq!(listed[0]["reason"], "missing_header");
        assert_eq!(listed[0]["size"], 2);
        let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(listed[0]["sha256"], hash);
        assert_eq!(lines("?source=stripe").await, listed);
        assert_eq!(lines("?source=github").await.as_array().unwrap().len(), 0);
        for wrong in ["?source=A", "?cursor=x"] {
            let answer = service.get(&format!("/v1/refusals{wrong}")).await;
            answer.assert_problem(422);
        }
    }
}

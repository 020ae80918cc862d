//! `GET /v1/audit`: what operators have done.

use entity::lifecycle::operate::audit::page;
use poem::{Request, http::StatusCode};
use poem_openapi::{ApiResponse, OpenApi};
use sea_orm::DatabaseConnection;

use super::answer::unavailable;
use crate::{
    access::MayRead,
    json::Json,
    list::{self, Query},
    look_up,
    problem::{FieldError, Problem},
    wire::{AuditPage, Tag},
};

/// Of a list's parameters, those that mean something here.
pub(crate) const PARAMETERS: [&str; 4] = ["from", "to", "limit", "cursor"];

/// What has been done.
pub(crate) struct Audit {
    pub(crate) db: DatabaseConnection,
}

#[derive(ApiResponse)]
pub(crate) enum Answer {
    /// The page.
    #[oai(status = 200)]
    Page(Json<AuditPage>),
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
impl Audit {
    /// See what operators have done
    ///
    /// Answers with their acts, newest first: who, what, why, when, and to how many transactions. Each is committed with its effect.
    #[oai(
        path = "/v1/audit",
        method = "get",
        tag = "Tag::Mending",
        operation_id = "listAudit"
    )]
    async fn list(&self, _may: MayRead, request: &Request) -> Answer {
        let asked = request.uri().query().unwrap_or_default();
        let query = match parse(asked) {
            Ok(query) => query,
            Err(errors) => {
                let detail = "the query does not say what to list";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                return Answer::Unclear(problem.with_errors(errors).json());
            }
        };
        match look_up::in_time(page(&self.db, query.range, query.limit)).await {
            Ok(page) => Answer::Page(Json(page.into())),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

fn parse(asked: &str) -> Result<Query, Vec<FieldError>> {
    let parameters = || form_urlencoded::parse(asked.as_bytes());
    if parameters().any(|(name, _)| !PARAMETERS.contains(&&*name)) {
        let known = PARAMETERS.join(", ");
        let why = format!("must have no parameters but {known}");
        return Err(vec![FieldError::new("", why)]);
    }
    list::parse(parameters())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_audit_has_no_filters() {
        assert_eq!(parse("limit=7").unwrap().limit, 7);
        let [error] = parse("who=anna").unwrap_err().try_into().unwrap();
        assert_eq!(error.field, "");
        assert!(parse("status=FAILED").is_err() && parse("limit=0").is_err());
    }
}

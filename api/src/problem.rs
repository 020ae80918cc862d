//! What is answered when something is wrong: problem details (RFC 9457).

use entity::Status;
use poem::{IntoResponse, Response, http::StatusCode};
use poem_openapi::{Object, types::Example};
use serde::Serialize;

use crate::json::Json;

/// The media type of RFC 9457.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";
/// Seconds after which a sender may try again when we could not keep up.
pub(crate) const RETRY_AFTER_SECS: u32 = 1;

/// A problem, as RFC 9457 describes it.
#[derive(Clone, Debug, Serialize, Object)]
#[oai(example)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[oai(rename = "type", read_only)]
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    #[oai(read_only)]
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong with this request.
    detail: String,
    /// Every offending field; only there where the problem lies in fields.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
    /// `PROCESSED` or `FAILED`; only there where the problem is that the transaction's content is kept no more.
    #[oai(read_only, skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_status: Option<&'static str>,
}

/// One offending field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
#[oai(example)]
pub struct FieldError {
    /// Its name; empty for the document or the query as a whole.
    #[oai(read_only)]
    pub field: &'static str,
    /// What it must be and is not.
    pub reason: String,
}

impl FieldError {
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self {
            field,
            reason: reason.into(),
        }
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Unknown"),
            status: status.as_u16(),
            detail: detail.into(),
            errors: None,
            transaction_status: None,
        }
    }

    pub(crate) fn with_status_of(mut self, transaction: Status) -> Self {
        self.transaction_status = Some(match transaction {
            Status::Processing => "PROCESSING",
            Status::Processed => "PROCESSED",
            Status::Failed => "FAILED",
        });
        self
    }

    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = Some(errors);
        self
    }

    /// The problem that a rejection by poem stands for. 5xx responses never carry the cause.
    pub(crate) fn of(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "there is nothing under this path",
            StatusCode::METHOD_NOT_ALLOWED => "this path does not answer to this method",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "the content type must be application/json",
            status if status.is_client_error() => "the request could not be read",
            _ => "something went wrong here; it has been logged",
        };
        Self::new(status, detail)
    }

    /// The document that is answered.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // A problem is text and numbers, which always can be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn json(self) -> Json<Self> {
        Json(self)
    }
}

impl Example for Problem {
    fn example() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the body is JSON but no webhook",
        )
        .with_errors(vec![FieldError::example()])
    }
}

impl Example for FieldError {
    fn example() -> Self {
        Self {
            field: "currency",
            reason: "must be three capital letters".into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or_default();
        let mut response = Json(self).into_response();
        response.set_status(status);
        response.set_content_type(CONTENT_TYPE)
    }
}

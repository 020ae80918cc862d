//! What operators are answered.

use poem::{IntoResponse, http::StatusCode};
use poem_openapi::{ApiResponse, payload::Payload};
use sea_orm::DbErr;

use crate::{
    json::Json,
    problem::{Problem, RETRY_AFTER_SECS},
};

/// Of an act.
#[derive(ApiResponse)]
pub(crate) enum Answer<T: Payload + IntoResponse + Send> {
    /// It is committed. What follows from it begins within seconds.
    #[oai(status = 202)]
    Done(T),
    /// There is none.
    #[oai(status = 404, content_type = "application/problem+json")]
    Unknown(Json<Problem>),
    /// As things are it cannot be; `detail` says why. Nothing is changed.
    #[oai(status = 409, content_type = "application/problem+json")]
    Cannot(Json<Problem>),
    /// The database does not answer in time. Whether it is done can be looked up; to ask again does no harm.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

/// Of a look at something.
#[derive(ApiResponse)]
pub(crate) enum Shown<T: Payload + IntoResponse + Send> {
    /// What was asked for.
    #[oai(status = 200)]
    Found(T),
    /// There is none.
    #[oai(status = 404, content_type = "application/problem+json")]
    Unknown(Json<Problem>),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

/// Of a look at all there is.
#[derive(ApiResponse)]
pub(crate) enum Listed<T: Payload + IntoResponse + Send> {
    /// What there is.
    #[oai(status = 200)]
    All(T),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

pub(super) fn unknown(detail: &str) -> Json<Problem> {
    Problem::new(StatusCode::NOT_FOUND, detail).json()
}

pub(super) fn cannot(detail: impl Into<String>) -> Json<Problem> {
    Problem::new(StatusCode::CONFLICT, detail).json()
}

/// Tells the log why something could not be done; returns what is answered, and the seconds to wait.
pub(super) fn unavailable(error: &DbErr) -> (Json<Problem>, u32) {
    tracing::error!(event = "operator_failed", %error, "could not do what an operator has asked for");
    let detail = "the database did not answer in time";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    (problem.json(), RETRY_AFTER_SECS)
}

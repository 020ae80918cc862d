//! Why it is not clear what somebody asks for.

use poem::{IntoResponse as _, Response, error::ResponseError, http::StatusCode};
use thiserror::Error;

use crate::problem::{FieldError, Problem};

/// Why it is not clear what somebody asks for.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Unclear {
    #[error("{0}")]
    NotJson(String),
    /// What is wrong with each field, or with the query's parameters.
    #[error("the request does not say what to do")]
    Fields(Vec<FieldError>),
}

impl ResponseError for Unclear {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotJson(_) => StatusCode::BAD_REQUEST,
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn as_response(&self) -> Response {
        let problem = Problem::new(self.status(), self.to_string());
        let problem = match self {
            Self::NotJson(_) => problem,
            Self::Fields(errors) => problem.with_errors(errors.clone()),
        };
        problem.into_response()
    }
}

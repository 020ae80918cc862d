//! What balancers and orchestrators are told.

use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

use crate::problem::FieldError;

/// A sign of life.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Alive {
    /// Always `HEALTHY`: whoever is not does not answer.
    #[oai(read_only)]
    status: &'static str,
    /// The time here (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    current_time: OffsetDateTime,
}

impl Alive {
    pub(crate) fn at(current_time: OffsetDateTime) -> Self {
        Self {
            status: "HEALTHY",
            current_time,
        }
    }
}

impl Example for Alive {
    fn example() -> Self {
        Self::at(OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600))
    }
}

/// Everything is there that the service needs.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Ready {
    /// Always `READY`.
    #[oai(read_only)]
    status: &'static str,
    /// What somebody should look at all the same; only there if there is anything.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<FieldError>>,
}

impl Ready {
    pub(crate) fn but(warnings: Vec<FieldError>) -> Self {
        Self {
            status: "READY",
            warnings: (!warnings.is_empty()).then_some(warnings),
        }
    }
}

impl Example for Ready {
    fn example() -> Self {
        Self::but(Vec::new())
    }
}

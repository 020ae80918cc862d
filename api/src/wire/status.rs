//! Where a transaction is in its life.

use poem_openapi::Enum;
use serde::Serialize;

/// Where a transaction is in its life.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    /// Committed; its work is not done yet.
    Processing,
    /// Its work is done. Final.
    Processed,
    /// Its work was given up. Only an operator reopens it.
    Failed,
}

impl From<entity::Status> for Status {
    fn from(status: entity::Status) -> Self {
        match status {
            entity::Status::Processing => Self::Processing,
            entity::Status::Processed => Self::Processed,
            entity::Status::Failed => Self::Failed,
        }
    }
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Processing => "PROCESSING",
            Self::Processed => "PROCESSED",
            Self::Failed => "FAILED",
        }
    }
}

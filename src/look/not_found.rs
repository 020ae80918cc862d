//! What the exit code tells apart from a failure.

use thiserror::Error;

/// What was asked for is not there: a sentence.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NotFound(pub String);

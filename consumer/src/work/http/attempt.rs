//! One attempt, as it is kept.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

/// One attempt at a transaction's work, and what came of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The transaction's row.
    pub id: Uuid,
    /// 1 is the first.
    pub number: u32,
    /// By this process's clock.
    pub started_at: OffsetDateTime,
    pub took: Duration,
    pub outcome: Outcome,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, in a short phrase of at most 500 characters, none of them a control character.
    pub error: Option<String>,
    /// How long the far side wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Succeeded,
    /// Permanent: the far side will never do it.
    Refused,
    /// To be tried again.
    Failed,
    /// The attempt panicked: it says nothing about the far side.
    Panicked,
}

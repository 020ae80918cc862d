//! One file for each question.

mod compared;
pub(super) mod duplicates;
pub(super) mod embedded;
pub(super) mod growth;
pub(super) mod inflight;
pub(super) mod ingest;
pub(super) mod latency;
pub(super) mod overload;
pub(super) mod pipeline;
pub(super) mod steady;

use std::time::Duration;

/// A run that is ended by its count takes no longer, or it has gone wrong.
const RUN_WITHIN: Duration = Duration::from_secs(180);

//! One file for each kind of question.

pub(super) mod inflight;
pub(super) mod latency;
pub(super) mod lists;
pub(super) mod overload;
pub(super) mod pipeline;
pub(super) mod rates;
pub(super) mod retention;
pub(super) mod retries;
pub(super) mod steady;

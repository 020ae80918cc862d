//! What came of a load.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

use super::webhook::{Ids, Sender};

/// The longest latency that is told apart, in microseconds: a minute.
const LATENCY_MAX_US: u64 = 60_000_000;

/// What came of it.
pub(crate) struct Answers {
    pub(crate) sender: Sender,
    /// Those of the webhooks that were sent.
    pub(crate) ids: Ids,
    /// Answered with 202, or what else its sender takes for a success.
    pub(crate) accepted: u64,
    /// The webhooks that were answered with 503 and `Retry-After`.
    pub(crate) later: Vec<u64>,
    /// Microseconds from the scheduled time to the answer, whatever the answer.
    pub(crate) latency: Histogram<u64>,
    /// Those in each second from the start on.
    pub(crate) per_second: Vec<u64>,
    /// The longest latency, in microseconds, among the requests of each second.
    pub(crate) slowest: Vec<u64>,
    /// When the first request left.
    pub(crate) began: SystemTime,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Answers {
    pub(in crate::bench) fn new(sender: Sender, ids: Ids) -> Result<Self> {
        Ok(Self {
            sender,
            ids,
            accepted: 0,
            later: Vec::new(),
            latency: Histogram::new_with_max(LATENCY_MAX_US, 3).context("histogram")?,
            per_second: Vec::new(),
            slowest: Vec::new(),
            began: SystemTime::now(),
            took: Duration::ZERO,
        })
    }

    /// Acceptances per second over the whole run.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.took.as_secs_f64()
    }

    /// A percentile of the latency, in milliseconds.
    pub(crate) fn latency_ms(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1000.0
    }
}

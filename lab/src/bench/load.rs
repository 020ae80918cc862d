//! The load generator: one thread, one `epoll`, many connections. On a machine that everything shares it must cost
//! little, and a request must not wait for the generator's own scheduling.

mod connection;
mod events;
mod generator;
mod webhook;

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;

pub(crate) use webhook::Ids;

/// The longest latency that is told apart, in microseconds: a minute.
const LATENCY_MAX_US: u64 = 60_000_000;

/// When requests leave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends as soon as its last answer is there: as fast as the service answers.
    Closed,
    /// So many per second, on schedule, whether or not earlier ones have been answered. One that finds all
    /// connections busy leaves late; its latency counts from when it should have left.
    Open(f64),
    /// So many per second at most: whoever waits for an answer sends nothing more meanwhile, and a latency counts from
    /// when the request left.
    AtMost(f64),
}

/// A bounded amount of load. It ends with `count` requests or after `seconds`, whichever is first, and then waits for
/// the answers under way.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) count: u64,
    pub(crate) time: Duration,
    pub(crate) ids: Ids,
    /// Head and body leave apart, as Python's `http.client` sends them.
    pub(crate) apart: bool,
}

/// What came of it.
pub(crate) struct Answers {
    /// Answered with 202.
    pub(crate) accepted: u64,
    /// The webhooks that were answered with 503 and `Retry-After`.
    pub(crate) later: Vec<u64>,
    /// Microseconds from the scheduled time to the answer, whatever the answer.
    pub(crate) latency: Histogram<u64>,
    /// 202s in each second from the start on.
    pub(crate) per_second: Vec<u64>,
    /// The longest latency, in microseconds, among the requests of each second.
    pub(crate) slowest: Vec<u64>,
    /// When the first request left.
    pub(crate) began: SystemTime,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Answers {
    fn new() -> Result<Self> {
        Ok(Self {
            accepted: 0,
            later: Vec::new(),
            latency: Histogram::new_with_max(LATENCY_MAX_US, 3).context("histogram")?,
            per_second: Vec::new(),
            slowest: Vec::new(),
            began: SystemTime::now(),
            took: Duration::ZERO,
        })
    }

    /// 202s per second over the whole run.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.took.as_secs_f64()
    }

    /// A percentile of the latency, in milliseconds.
    pub(crate) fn latency_ms(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1000.0
    }
}

impl Load {
    /// Different webhooks, as many and as fast as they are answered, for `time`.
    pub(crate) fn closed(address: SocketAddr, connections: usize, time: Duration) -> Self {
        Self {
            address,
            connections,
            pace: Pace::Closed,
            count: u64::MAX,
            time,
            ids: Ids::unique(),
            apart: false,
        }
    }

    /// Applies the load from a thread of its own. Any answer but 202, and 503 with `Retry-After`, is an error.
    pub(crate) async fn apply(self, progress: &ProgressBar) -> Result<Answers> {
        ensure!(
            self.address.ip().is_loopback(),
            "load goes to this machine only"
        );
        let progress = progress.clone();
        tokio::task::spawn_blocking(move || generator::run(self, &progress)).await?
    }

    /// The same, when nothing but 202 will do.
    pub(crate) async fn apply_all_accepted(self, progress: &ProgressBar) -> Result<Answers> {
        let answers = self.apply(progress).await?;
        ensure!(
            answers.later.is_empty(),
            "{} of {} requests were answered with 503",
            answers.later.len(),
            answers.later.len() as u64 + answers.accepted
        );
        Ok(answers)
    }
}

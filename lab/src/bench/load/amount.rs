//! How much load there is, and when it leaves.

use std::time::Duration;

use super::webhook::Sender;

/// When requests leave.
#[derive(Clone, Copy)]
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

/// A bounded amount of load. It ends with `count` requests or after `time`, whichever is first, and then waits for
/// the answers under way.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) sender: Sender,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) count: u64,
    pub(crate) time: Duration,
    /// Different ids, if webhooks repeat.
    pub(crate) distinct: Option<u64>,
    /// Head and body leave apart, as Python's `http.client` sends them.
    pub(crate) apart: bool,
}

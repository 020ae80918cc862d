//! What a circuit allows: calls, and deliveries to hold for them.

use tokio::time::Instant;

/// How much may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// So many more calls.
    Calls(usize),
    /// None before this.
    NoneUntil(Instant),
    /// None before one that is under way has ended.
    NoneYet,
}

/// How many deliveries a consumer should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appetite {
    /// As many as its prefetch.
    Full,
    /// As many as there are probes.
    Probes(usize),
    /// None: others may be able to work on them.
    Nothing,
}

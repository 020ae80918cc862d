//! How long to wait before trying again.

use std::time::Duration;

/// Doubling waits without end, each shortened by a random part, so that many processes that lost the
/// same broker do not come back in step.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    /// Starts with a short wait; the longest is 5 s.
    pub fn new() -> Self {
        Self::between(Self::FIRST, Self::MAX)
    }

    /// Starts with `first`; no wait is longer than `max`.
    pub fn between(first: Duration, max: Duration) -> Self {
        let next = first;
        Self { first, max, next }
    }

    /// The next wait: 50 % to 100 % of a span that doubles each time, up to its bound.
    pub fn next_wait(&mut self) -> Duration {
        let span = self.next;
        self.next = (span * 2).min(self.max);
        span.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// After a success: short waits again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

//! The least of what was measured in each window of time: what it is above, everybody there has met. One slow moment
//! does not show in it, and neither does a burst that is soon over; only what stands does.
//!
//! The idea is CoDel's (RFC 8289, section 3.2): a queue is bad if its *minimum* delay over an interval is too long.

use std::time::{Duration, Instant};

/// The length of a window.
pub(super) const WINDOW: Duration = Duration::from_millis(100);
/// What was measured so long ago says nothing any more.
const STALE: Duration = Duration::from_millis(500);

/// Steps through windows as measurements come in.
pub(super) struct Minimum {
    began: Instant,
    least: Option<Duration>,
    /// Of the last window that is over.
    last: Option<Duration>,
}

impl Minimum {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            least: None,
            last: None,
        }
    }

    /// Takes in what was measured `now`. Returns the least of a window if this measurement ends it.
    pub(super) fn record(&mut self, now: Instant, value: Duration) -> Option<Duration> {
        if now.duration_since(self.began) >= STALE {
            *self = Self::new(now);
        }
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
        if now.duration_since(self.began) < WINDOW {
            return None;
        }
        self.began = now;
        self.last = self.least.take();
        self.last
    }

    /// The least of the last window; nothing if nothing has been measured lately.
    pub(super) fn last(&self, now: Instant) -> Option<Duration> {
        self.last.filter(|_| now.duration_since(self.began) < STALE)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Minimum, STALE, WINDOW};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_window_is_worth_the_least_that_was_measured_in_it() {
        let start = Instant::now();
        let mut minimum = Minimum::new(start);
        assert_eq!(minimum.record(start + 10 * MS, 80 * MS), None);
        assert_eq!(minimum.record(start + 20 * MS, 60 * MS), None);
        assert_eq!(minimum.last(start + 20 * MS), None);
        assert_eq!(minimum.record(start + WINDOW, 70 * MS), Some(60 * MS));
        assert_eq!(minimum.last(start + WINDOW), Some(60 * MS));
        assert_eq!(
            minimum.record(start + 2 * WINDOW, 90 * MS),
            Some(90 * MS),
            "the next window begins anew"
        );
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let start = Instant::now();
        let mut minimum = Minimum::new(start);
        minimum.record(start + WINDOW, 70 * MS);
        assert_eq!(minimum.last(start + WINDOW + STALE), None);
        minimum.record(start + 10 * STALE, 5 * MS);
        assert_eq!(
            minimum.record(start + 10 * STALE + WINDOW, 6 * MS),
            Some(5 * MS)
        );
    }
}

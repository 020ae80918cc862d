//! How long a commit takes: a moving mean and deviation, as TCP keeps them of its round trips (RFC 6298, section 2), and
//! what nearly all of the last few took at most.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What a commit is taken to last while none has been seen lately.
const UNKNOWN: Duration = Duration::from_millis(10);
/// After so long without a commit the last ones say nothing any more.
const QUIET: Duration = Duration::from_secs(10);
/// A commit that lasts longer counts as one of this length: too long is too long, and the sooner it is forgotten, the
/// sooner a database that is itself again gets its work back.
const LONGEST: Duration = Duration::from_millis(500);
/// The weight of a new commit in the mean, and in the deviation.
const MEAN_WEIGHT: f64 = 1.0 / 8.0;
const DEVIATION_WEIGHT: f64 = 1.0 / 4.0;
/// So many deviations above the mean nearly every commit is over.
const DEVIATIONS: f64 = 2.0;
/// Nor does it take longer than all but one of the last so many. Commits that wait for a slow disk take one flush or two and
/// hardly ever more: their spread is wide, and the mean and the deviations alone would expect what does not come.
const LAST: usize = 8;

/// The moving figures, in seconds.
pub(super) struct BatchTime {
    mean: f64,
    deviation: f64,
    last: VecDeque<f64>,
    likely: f64,
    /// When the last commit ended.
    seen: Instant,
}

impl BatchTime {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            mean: UNKNOWN.as_secs_f64(),
            deviation: 0.0,
            last: VecDeque::with_capacity(LAST),
            likely: UNKNOWN.as_secs_f64(),
            seen: now,
        }
    }

    /// Takes in a commit that took `took` and has ended `now`.
    pub(super) fn record(&mut self, now: Instant, took: Duration) {
        self.forget_if_quiet(now);
        let took = took.min(LONGEST).as_secs_f64();
        let off = (took - self.mean).abs();
        self.deviation += (off - self.deviation) * DEVIATION_WEIGHT;
        self.mean += (took - self.mean) * MEAN_WEIGHT;
        self.last.truncate(LAST - 1);
        self.last.push_front(took);
        self.likely = self
            .all_but_one()
            .min(self.mean + DEVIATIONS * self.deviation);
        self.seen = now;
    }

    /// Forgets everything after a long quiet: the database may be another since.
    pub(super) fn forget_if_quiet(&mut self, now: Instant) {
        if now.duration_since(self.seen) >= QUIET {
            *self = Self::new(now);
        }
    }

    pub(super) fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean)
    }

    /// How long one may take: nearly all are quicker.
    pub(super) fn likely(&self) -> Duration {
        Duration::from_secs_f64(self.likely)
    }

    /// What all but one of the last took at most.
    fn all_but_one(&self) -> f64 {
        let (mut longest, mut second) = (self.mean, self.mean);
        for took in &self.last {
            second = second.max(took.min(longest));
            longest = longest.max(*took);
        }
        second
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BatchTime, LONGEST, QUIET, UNKNOWN};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_follows_the_commits_and_allows_for_their_spread() {
        let start = Instant::now();
        let mut even = BatchTime::new(start);
        let mut uneven = BatchTime::new(start);
        for n in 0..100 {
            even.record(start, 20 * MS);
            uneven.record(start, if n % 2 == 0 { 10 * MS } else { 30 * MS });
        }
        assert!((19 * MS..21 * MS).contains(&even.likely()));
        assert!((18 * MS..22 * MS).contains(&uneven.mean()));
        assert_eq!(uneven.likely(), 30 * MS, "none took longer");
    }

    #[test]
    fn one_endless_commit_is_soon_forgotten() {
        let start = Instant::now();
        let mut time = BatchTime::new(start);
        time.record(start, Duration::from_secs(3600));
        assert!(time.likely() < LONGEST);
        for _ in 0..10 {
            time.record(start, 10 * MS);
        }
        assert!(time.likely() < 100 * MS, "{:?}", time.likely());
    }

    #[test]
    fn after_a_long_quiet_it_begins_anew() {
        let start = Instant::now();
        let mut time = BatchTime::new(start);
        time.record(start, 400 * MS);
        time.forget_if_quiet(start + QUIET / 2);
        assert!(time.mean() > UNKNOWN);
        time.forget_if_quiet(start + QUIET);
        assert_eq!(time.likely(), UNKNOWN);
    }
}

//! How far behind the runtime's threads are, and which part of the webhooks they can do with.
//!
//! The lag is what a probe meets (`probe.rs`): from when it was due to when a thread got to it. A request waits as long
//! before a handler sees it, and so does its answer. While even the quickest probe of a window is late, a part of the
//! webhooks is let in, the same of each source: less and less until the lag is bearable, then more again. That part settles where the
//! threads are just busy; to look at the lag alone would let in everybody and nobody in turn.

use std::time::{Duration, Instant};

use super::{minimum::Minimum, shares::Shares};
use crate::lane::Lane;

/// A lag that nobody escapes for a whole window and that may just be: it is met before a webhook is read and again
/// before its answer is written, and a commit must fit in besides.
const BEARABLE: Duration = Duration::from_millis(150);
/// What is left of the part let in after a window with more.
const LESS: f64 = 0.9;
/// What is added to it after a window with less: from the least to all of them in three seconds.
const MORE: f64 = 0.03;
/// The least part.
const LEAST: f64 = 0.1;
/// What is shed is answered after this many lags, and after [`HOLD_MAX`] at most. A sender that comes again at once
/// costs a little work each time, and a thousand of them can take all there is: they come the less often, the later the
/// threads are.
const HOLD_LAGS: u32 = 4;
const HOLD_MAX: Duration = Duration::from_millis(250);
/// What is left of it after a window in which the threads were not late.
const HOLD_LEFT: f64 = 0.8;
/// A lag measured so long ago says nothing any more: the probe rests while no webhooks come.
const STALE: Duration = Duration::from_secs(1);

/// The state of the runtime's threads, as far as it matters for admission.
pub(super) struct Threads {
    /// When the probe that has not come back was due.
    away: Option<Instant>,
    lag: Duration,
    measured: Instant,
    minimum: Minimum,
    hold: Duration,
    /// The part that is let in.
    part: f64,
    shares: Shares,
}

impl Threads {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            away: None,
            lag: Duration::ZERO,
            measured: now,
            minimum: Minimum::new(now),
            hold: Duration::ZERO,
            part: 1.0,
            shares: Shares::new(now),
        }
    }

    /// A probe is on its way, due at `due`.
    pub(super) fn probe_left(&mut self, due: Instant) {
        self.away = Some(due);
    }

    /// It is back.
    pub(super) fn probe_is_back(&mut self, now: Instant) {
        let Some(due) = self.away.take() else {
            return;
        };
        if self.is_stale(now) {
            self.part = 1.0;
            self.hold = Duration::ZERO;
        }
        self.lag = now.duration_since(due);
        self.measured = now;
        if let Some(least) = self.minimum.record(now, self.lag) {
            let hold = (least * HOLD_LAGS).min(HOLD_MAX);
            self.hold = hold.max(self.hold.mul_f64(HOLD_LEFT));
            self.part = match least > BEARABLE {
                true => (self.part * LESS).max(LEAST),
                false => (self.part + MORE).min(1.0),
            };
        }
    }

    /// No more probes come, as none are needed.
    pub(super) fn probe_rests(&mut self) {
        self.away = None;
    }

    /// How late a task runs. A probe that is overdue tells before it is back.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        let away = self.away.map(|due| now.saturating_duration_since(due));
        let last = match self.is_stale(now) {
            true => Duration::ZERO,
            false => self.lag,
        };
        away.map_or(last, |away| away.max(last))
    }

    /// Whether the next webhook of `lane` is of the part that is let in.
    pub(super) fn admit(&mut self, now: Instant, lane: Lane) -> bool {
        if self.part >= 1.0 || self.is_stale(now) {
            self.shares.clear();
            return true;
        }
        self.shares.admit(now, lane, self.part)
    }

    /// How long to keep what is shed.
    pub(super) fn hold(&self, now: Instant) -> Duration {
        match self.is_stale(now) {
            true => Duration::ZERO,
            false => self.hold,
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        now.duration_since(self.measured) >= STALE
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BEARABLE, HOLD_MAX, LEAST, STALE, Threads};
    use crate::{admission::minimum::WINDOW, lane::Lane};

    const MS: Duration = Duration::from_millis(1);

    /// Sends a probe every 5 ms for `time`; each comes back after `lag`. Returns the time afterwards.
    fn probes(threads: &mut Threads, from: Instant, time: Duration, lag: Duration) -> Instant {
        let mut now = from;
        while now < from + time {
            threads.probe_left(now - lag);
            threads.probe_is_back(now);
            now += 5 * MS;
        }
        now
    }

    fn admitted(threads: &mut Threads, now: Instant) -> usize {
        let admits = |_: &i32| threads.admit(now, Lane::BUILT_IN);
        (0..1000).filter(admits).count()
    }

    #[test]
    fn a_lasting_lag_turns_ever_more_away_and_a_bearable_one_none() {
        let start = Instant::now();
        let mut threads = Threads::new(start);
        let now = probes(&mut threads, start, Duration::from_secs(10), BEARABLE);
        assert_eq!(admitted(&mut threads, now), 1000);
        let now = probes(&mut threads, now, 10 * WINDOW, BEARABLE + 5 * MS);
        let after_a_second = admitted(&mut threads, now);
        assert!((300..500).contains(&after_a_second), "{after_a_second}");
        let now = probes(&mut threads, now, 100 * WINDOW, BEARABLE + 5 * MS);
        let least = (LEAST * 1000.0) as usize;
        assert!((least - 1..=least + 1).contains(&admitted(&mut threads, now)));
    }

    #[test]
    fn one_late_probe_turns_nobody_away() {
        let start = Instant::now();
        let mut threads = Threads::new(start);
        let mut now = start;
        for _ in 0..20 {
            now = probes(&mut threads, now, 5 * MS, 400 * MS);
            now = probes(&mut threads, now, WINDOW, MS);
        }
        assert_eq!(admitted(&mut threads, now), 1000);
    }

    #[test]
    fn after_a_lag_all_are_admitted_again_within_four_seconds() {
        let start = Instant::now();
        let mut threads = Threads::new(start);
        let now = probes(&mut threads, start, Duration::from_secs(10), 300 * MS);
        assert!(admitted(&mut threads, now) < 110);
        let now = probes(&mut threads, now, Duration::from_secs(4), MS);
        assert_eq!(admitted(&mut threads, now), 1000);
    }

    #[test]
    fn the_later_the_threads_are_the_longer_is_kept_what_is_shed() {
        let start = Instant::now();
        let mut threads = Threads::new(start);
        let now = probes(&mut threads, start, 3 * WINDOW, MS);
        assert_eq!(threads.hold(now), 4 * MS);
        let now = probes(&mut threads, now, 3 * WINDOW, 50 * MS);
        assert_eq!(threads.hold(now), 200 * MS);
        let now = probes(&mut threads, now, 3 * WINDOW, 400 * MS);
        assert_eq!(threads.hold(now), HOLD_MAX);
        let now = probes(&mut threads, now, 20 * WINDOW, MS);
        assert!(threads.hold(now) < 10 * MS, "{:?}", threads.hold(now));
        assert_eq!(threads.hold(now + STALE), Duration::ZERO);
    }

    #[test]
    fn a_probe_that_is_overdue_tells_before_it_is_back() {
        let start = Instant::now();
        let mut threads = Threads::new(start);
        threads.probe_left(start);
        assert_eq!(threads.lag(start + 70 * MS), 70 * MS);
        threads.probe_is_back(start + 80 * MS);
        assert_eq!(threads.lag(start + 81 * MS), 80 * MS);
        assert_eq!(threads.lag(start + 80 * MS + STALE), Duration::ZERO);
        threads.probe_left(start + 2 * STALE);
        threads.probe_rests();
        assert_eq!(threads.lag(start + 3 * STALE), Duration::ZERO);
    }
}

//! The decision, as a state machine: every time comes in from outside, and nothing here waits or looks at a clock.
//!
//! A webhook is admitted if it will probably be answered in time. When it comes, that is an estimate; when its turn comes to be
//! committed, and the estimate was wrong, it is shed after all, *before* the commit: a clear no instead of an
//! answer that comes too late to say whether it was committed.
//!
//! The estimate of the wait for a commit is held against one of two bounds, as CoDel has two modes (RFC 8289, and folly's
//! `Codel`). While the queue is empty now and then, a burst may use nearly all the time there is. While a queue stands,
//! it does nothing but make everybody wait, so the bound is short.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use super::{
    batch_time::BatchTime,
    minimum::{Minimum, WINDOW},
    threads::Threads,
};
use crate::{
    lane::{Ahead, Lane},
    slots::{BATCH_MAX, Slots},
};

/// From a webhook's arrival to its answer, as well as we can tell. What is left of the 500 ms that senders are promised
/// is for what we cannot: the way to us and back, and how long the kernel kept it.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(450);
/// The longest wait for the beginning of a commit, while no queue stands.
const WAIT_MAX: Duration = Duration::from_millis(300);
/// The same while one stands.
const WAIT_MAX_STANDING: Duration = Duration::from_millis(100);
/// A queue stands if everybody has waited for longer, for a whole window.
const STANDING: Duration = Duration::from_millis(50);
/// One webhook is admitted after so long whatever the estimate says, or a database that is itself again would never be
/// noticed.
const ONE_IN: Duration = Duration::from_millis(100);
/// Seconds after which a sender may come again: at random, because equal waits come back as one wave.
const RETRY_AFTER_SECS: RangeInclusive<u32> = 1..=3;
/// The same while most are shed.
const RETRY_AFTER_SECS_MOST: RangeInclusive<u32> = 5..=5;
/// Most are shed while more than this part is.
const MOST: f64 = 0.7;

/// Which webhooks to admit.
pub(crate) struct Controller {
    slots: Slots,
    batch_time: BatchTime,
    /// When each commit under way began, the oldest first. At most [`Slots::most`].
    under_way: Vec<Instant>,
    /// How long the last of each batch had waited for it, of the source that had to wait for longest.
    waits: Minimum,
    threads: Threads,
    /// When the last webhook came.
    came: Instant,
    /// When the last webhook was admitted, and when the last commit began.
    admitted: Option<Instant>,
    began: Option<Instant>,
    /// When the newest of the commits that have ended began.
    known_from: Option<Instant>,
    shed: Share,
}

impl Controller {
    pub(crate) fn new(now: Instant, slots: Slots) -> Self {
        Self {
            slots,
            batch_time: BatchTime::new(now),
            under_way: Vec::with_capacity(slots.most),
            waits: Minimum::new(now),
            threads: Threads::new(now),
            came: now,
            admitted: None,
            began: None,
            known_from: None,
            shed: Share::new(now),
        }
    }

    pub(super) fn threads(&mut self) -> &mut Threads {
        &mut self.threads
    }

    /// Whether to admit a webhook of `lane` that has just come, while so many wait for their commit before it.
    pub(crate) fn admit(&mut self, now: Instant, lane: Lane, ahead: Ahead) -> bool {
        self.came = now;
        self.batch_time.forget_if_quiet(now);
        let admitted = is_due(self.admitted, now)
            || (self.is_in_time(now, ahead) && self.threads.admit(now, lane));
        if admitted {
            self.admitted = Some(now);
        }
        self.shed.count(now, !admitted);
        admitted
    }

    /// Whether no webhook has come for `time`.
    pub(super) fn is_quiet(&self, now: Instant, time: Duration) -> bool {
        now.duration_since(self.came) >= time
    }

    fn is_in_time(&self, now: Instant, ahead: Ahead) -> bool {
        let lag = self.threads.lag(now);
        let wait = self.wait(now, ahead.all);
        // It has waited for a thread to see it already.
        wait <= self.wait_max(now, ahead) && lag + wait + self.batch_time.likely() <= ANSWER_WITHIN
    }

    /// How long the next webhook waits until its commit begins, while `waiting` others wait before it.
    fn wait(&self, now: Instant, waiting: usize) -> Duration {
        let batches_before = (waiting / BATCH_MAX) as u32;
        let mean = self.batch_time.mean();
        let of_slots = (mean / self.slots.count as u32).min(Slots::WAIT_MAX);
        let each = of_slots.max(mean / self.slots.most as u32);
        self.until_next(now) + each * batches_before
    }

    /// How long until the next commit can begin.
    fn until_next(&self, now: Instant) -> Duration {
        let (Some(oldest), Some(last)) = (self.under_way.first(), self.under_way.last()) else {
            return Duration::ZERO;
        };
        if self.under_way.len() < self.slots.count {
            return Duration::ZERO;
        }
        // One that is overdue is expected to take as long again as it is overdue: a database that hangs must not seem
        // to be nearly done for ever.
        let until_one_ends = self.batch_time.mean().abs_diff(now.duration_since(*oldest));
        if self.under_way.len() >= self.slots.most {
            return until_one_ends;
        }
        until_one_ends.min(Slots::WAIT_MAX.saturating_sub(now.duration_since(*last)))
    }

    /// The queue that stands is not that of a source of which nothing waits.
    fn wait_max(&self, now: Instant, ahead: Ahead) -> Duration {
        let stands = self.waits.last(now).is_some_and(|least| least > STANDING);
        match stands && ahead.own > 0 {
            true => WAIT_MAX_STANDING,
            false => WAIT_MAX,
        }
    }

    /// By when the answer to a webhook must be known whose body was waited for since `asked` and was there at `read`, as
    /// well as can be told. It had to wait for a thread before that; if the body came later, twice; what is longer was its
    /// sender's time. And the answer waits for a thread, too.
    pub(crate) fn due(&self, asked: Instant, read: Instant) -> Instant {
        let lag = self.threads.lag(read);
        let arrived = asked.max(read.checked_sub(lag).unwrap_or(read));
        let left = ANSWER_WITHIN.saturating_sub(2 * lag);
        arrived + left
    }

    /// Whether an answer that must be known at `due` would come too late if its commit began `now`.
    pub(crate) fn is_too_late(&self, now: Instant, due: Instant) -> bool {
        now + self.batch_time.likely() > due
    }

    /// Whether a commit should be tried even if it comes too late for all who wait for it. Several at once: where each takes
    /// long, one after the other would take long to tell that they are quicker again.
    pub(crate) fn must_try(&self, now: Instant) -> bool {
        // Those that everybody has stopped waiting for may hang on connections that are dead.
        let is_awaited = |began: &&Instant| now.duration_since(**began) < ANSWER_WITHIN;
        let awaited = self.under_way.iter().filter(is_awaited).count();
        awaited <= self.slots.most / 2 && is_due(self.began, now)
    }

    /// A batch has been taken. Of the source that had to wait for longest, the last had waited for `wait`.
    pub(crate) fn taken(&mut self, now: Instant, wait: Duration) {
        self.waits.record(now, wait);
    }

    /// A commit begins.
    pub(crate) fn begins(&mut self, now: Instant) {
        self.began = Some(now);
        self.under_way.push(now);
    }

    /// The commit that began at `began` has ended, however.
    pub(crate) fn ended(&mut self, now: Instant, began: Instant) {
        if let Some(index) = self.under_way.iter().position(|at| *at == began) {
            self.under_way.remove(index);
        }
        let took = now.duration_since(began);
        let is_old_news = self.known_from.is_some_and(|known_from| began < known_from);
        if took > ANSWER_WITHIN && is_old_news {
            // It hung, on a connection that is dead now, say: one that began after it has told how the database is since.
            return;
        }
        self.known_from = self.known_from.max(Some(began));
        self.batch_time.record(now, took);
    }

    /// How long to keep what is shed before it is answered. Its sender waited for a thread, and will again.
    pub(crate) fn hold(&self, now: Instant) -> Duration {
        let left = ANSWER_WITHIN.saturating_sub(2 * self.threads.lag(now));
        self.threads.hold(now).min(left)
    }

    /// How long the next webhook would wait for its commit, while so many wait before it; the longest wait with which it
    /// would be let in; and how late the threads are.
    pub(crate) fn waits(&self, now: Instant, ahead: Ahead) -> [Duration; 3] {
        let wait = self.wait(now, ahead.all);
        [wait, self.wait_max(now, ahead), self.threads.lag(now)]
    }

    /// Seconds after which a sender may come again; to be chosen from at random.
    pub(crate) fn retry_after(&self) -> RangeInclusive<u32> {
        match self.shed.last > MOST {
            true => RETRY_AFTER_SECS_MOST,
            false => RETRY_AFTER_SECS,
        }
    }
}

/// Whether nothing has happened for [`ONE_IN`].
fn is_due(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now.duration_since(last) >= ONE_IN)
}

/// The part of what came that was shed.
struct Share {
    began: Instant,
    shed: u32,
    all: u32,
    /// In the last window that is over.
    last: f64,
}

impl Share {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            shed: 0,
            all: 0,
            last: 0.0,
        }
    }

    fn count(&mut self, now: Instant, is_shed: bool) {
        if now.duration_since(self.began) >= WINDOW && self.all > 0 {
            let last = f64::from(self.shed) / f64::from(self.all);
            *self = Self {
                last,
                ..Self::new(now)
            };
        }
        self.all += 1;
        self.shed += u32::from(is_shed);
    }
}

#[cfg(test)]
mod tests;

//! What attempts that ended within the last seconds say about the service.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::work::signal::Signal;

/// How long an attempt counts.
pub(super) const SPAN: Duration = Duration::from_secs(10);
/// How long an answer counts that asks for fewer calls, and a refusal against the next one.
pub(super) const SHORT_SPAN: Duration = Duration::from_secs(2);
/// Failed attempts within [`SPAN`] below which nothing is concluded about the service.
pub(super) const FAILURES_MIN: u32 = 10;
/// The part of the attempts that must have failed. One that got no answer counts as two that got a bad one.
const FAILED_PART: f64 = 0.8;
const UNREACHABLE_WEIGHT: u32 = 2;
/// Refusals within [`SPAN`], and their part of the attempts, that are no longer about single transactions.
const REFUSALS_MIN: u32 = 10;
const REFUSED_PART: f64 = 0.5;
/// Of so many of the last fresh attempts, so many that were refused are no longer about single transactions.
const LAST_REFUSED: (usize, usize) = (18, 20);
/// The same of those that failed. It takes all: of a service that fails for 7 in 10, at random, 18 of 20 fail sooner or
/// later.
const LAST_FAILED: (usize, usize) = (20, 20);
/// How many are kept for both.
const LAST: usize = LAST_FAILED.1;
/// Attempts are counted by the second in which they ended.
const BUCKETS: usize = SPAN.as_secs() as usize;

/// Why the circuit opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Attempts fail, though the service answers.
    Failing,
    /// No answers come.
    Unreachable,
    /// Nearly everything is refused.
    Refusing,
}

impl Reason {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Unreachable => "unreachable",
            Self::Refusing => "refusing",
        }
    }
}

/// Counts of the last [`SPAN`], by the second.
#[derive(Default)]
pub(super) struct Recent {
    /// When the first of the seconds began.
    began: Option<Instant>,
    /// Which second each bucket is of, counted from `began`.
    buckets: [(u64, Fresh, Counts); BUCKETS],
    /// How the last fresh ones ended, and when: after seconds in which much went well, their parts would tell too late that
    /// nothing does.
    last: VecDeque<(Instant, Signal)>,
}

/// Counts of fresh attempts.
type Fresh = Counts;

/// How many attempts ended how.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) succeeded: u32,
    pub(super) refused: u32,
    pub(super) limited: u32,
    pub(super) failed: u32,
    pub(super) unreachable: u32,
}

impl Recent {
    pub(super) fn add(&mut self, signal: Signal, is_fresh: bool, now: Instant) {
        let second = self.second(now);
        let bucket = &mut self.buckets[second as usize % BUCKETS];
        if bucket.0 != second {
            *bucket = (second, Counts::default(), Counts::default());
        }
        if is_fresh {
            bucket.1.add(signal);
            self.last.push_back((now, signal));
            if self.last.len() > LAST {
                self.last.pop_front();
            }
        }
        bucket.2.add(signal);
    }

    /// Whether so many of so many of the last fresh attempts ended like that, none of them longer ago than any counts.
    fn lately(
        &self,
        (enough, of): (usize, usize),
        now: Instant,
        is_like: impl Fn(Signal) -> bool,
    ) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < SPAN;
        let alike = self.last.iter().rev().take(of);
        let alike = alike.filter(|(at, signal)| is_recent(*at) && is_like(*signal));
        alike.count() >= enough
    }

    /// All attempts of the last [`SHORT_SPAN`].
    pub(super) fn short(&mut self, now: Instant) -> Counts {
        self.sum(now, SHORT_SPAN).1
    }

    /// What is short of [`SPAN`] has had its consequences.
    pub(super) fn forget_short(&mut self) {
        for bucket in &mut self.buckets {
            bucket.2 = Counts::default();
        }
    }

    /// What is wrong with the service as a whole, if anything is.
    pub(super) fn verdict(&mut self, now: Instant) -> Option<Reason> {
        let (fresh, all) = self.sum(now, SPAN);
        if self.lately(LAST_REFUSED, now, |signal| signal == Signal::Refused)
            || fresh.refused >= REFUSALS_MIN
                && f64::from(fresh.refused) >= REFUSED_PART * f64::from(fresh.all())
        {
            return Some(Reason::Refusing);
        }
        // Where nothing is fresh, and nothing succeeds at all, what is tried again must do.
        let counts = match fresh.bad() < FAILURES_MIN && all.succeeded == 0 {
            true => all,
            false => fresh,
        };
        let weight = counts.failed + UNREACHABLE_WEIGHT * counts.unreachable;
        let good = counts.succeeded + counts.refused;
        let lately = self.lately(LAST_FAILED, now, |signal| {
            matches!(signal, Signal::Failed | Signal::Unreachable)
        });

        let is_bad = counts.bad() >= FAILURES_MIN
            && f64::from(weight) >= FAILED_PART * f64::from(weight + good);
        if !lately && !is_bad {
            return None;
        }
        Some(match counts.unreachable > counts.failed {
            true => Reason::Unreachable,
            false => Reason::Failing,
        })
    }

    fn sum(&mut self, now: Instant, span: Duration) -> (Fresh, Counts) {
        let second = self.second(now);
        let mut sums = (Counts::default(), Counts::default());
        for (of, fresh, all) in &self.buckets {
            if second - of.min(&second) < span.as_secs() {
                sums.0.join(fresh);
                sums.1.join(all);
            }
        }
        sums
    }

    fn second(&mut self, now: Instant) -> u64 {
        // The buckets begin as those of second 0, which is long past then.
        let began = *self.began.get_or_insert(now);
        now.saturating_duration_since(began).as_secs() + SPAN.as_secs()
    }
}

impl Counts {
    fn add(&mut self, signal: Signal) {
        let count = match signal {
            Signal::Succeeded => &mut self.succeeded,
            Signal::Refused => &mut self.refused,
            Signal::Limited => &mut self.limited,
            Signal::Failed => &mut self.failed,
            Signal::Unreachable => &mut self.unreachable,
            Signal::Here | Signal::Panicked => return,
        };
        *count += 1;
    }

    fn join(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.refused += other.refused;
        self.limited += other.limited;
        self.failed += other.failed;
        self.unreachable += other.unreachable;
    }

    pub(super) fn all(&self) -> u32 {
        self.succeeded + self.refused + self.limited + self.failed + self.unreachable
    }

    fn bad(&self) -> u32 {
        self.failed + self.unreachable
    }
}

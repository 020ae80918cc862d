//! Whether calls may begin, and how many at once: a circuit breaker for the downstream service as a whole (Nygard,
//! *Release It!*), and a limit that follows what the service says it can take.
//!
//! - **closed**: calls pass, up to the limit.
//! - **open**: none does. The service is left alone, for longer each time.
//! - **half-open**: a few do, as probes. If most of them are answered well the circuit closes, by degrees: the limit
//!   begins low and grows with every success.
//!
//! What opens it is what *fresh* attempts say, those at transactions that have not failed before: the same few
//! transactions that fail again and again say nothing about the others. A wave of refusals opens it, too: what an
//! ordinary deployment answers for a moment (404, 401 …) must not become final for everything that comes by.
//!
//! Pure state: time comes in as an argument, and no task runs.

mod allowed;
mod charge;
mod recent;

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use crate::work::{http::Called, signal::Signal};
pub(crate) use allowed::{Allowed, Appetite};
pub(crate) use charge::Charge;
use charge::charge_while_open;
use recent::{Reason, Recent};

/// First refusals within [`recent::SHORT_SPAN`] that are believed. When there are more, each is asked again before it is
/// final: an ordinary deployment refuses everything for a moment, and until the circuit opens nobody can tell.
const REFUSALS_BELIEVED: u32 = 5;
/// Answers that ask for fewer calls, and their part of all answers, within [`recent::SHORT_SPAN`], from which on no call
/// begins for a moment.
const LIMITED_MIN: u32 = 5;
const LIMITED_PART: f64 = 0.5;
/// How long the service is left alone at first, and at most: where it answers, and where it does not.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_ANSWERED_MAX: Duration = Duration::from_secs(2);
const WAIT_UNREACHABLE_MAX: Duration = Duration::from_secs(30);
/// A circuit that opens again so soon after it closed goes on with the waits where it was.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// The part of the probes that must be answered well. Where the service answers, that is the part below which it would not
/// have opened, and a little more; where it does not, or refuses, most of them.
const GOOD_PART_FAILING: f64 = 0.25;
const GOOD_PART: f64 = 0.5;
/// Probes of the first half-open stage.
const PROBES_FIRST: usize = 5;
/// Where the service answers, badly, there are so many times as many each time, and so many at most: behind many
/// transactions that are refused or fail there may be others that would not.
const PROBES_TIMES: usize = 4;
const PROBES_MAX: usize = 80;
/// Probes at transactions that had failed before and fail again, for each other probe, before they count: where the
/// service answers, and where it does not.
const STALE_ANSWERED_TIMES: usize = 20;
const STALE_UNREACHABLE_TIMES: usize = 3;
/// From this limit on there is none.
const UNLIMITED: usize = 1024;
/// How long no call begins after the service has asked for fewer, if it does not say; and at most.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long no call begins after one could not be made for want of something here.
const HERE_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Circuit {
    state: State,
    recent: Recent,
    /// How often it has opened without being closed for long in between.
    times_open: u32,
    /// Probes of the next half-open stage.
    probes: usize,
    closed_at: Option<Instant>,
}

enum State {
    Closed {
        limit: Option<usize>,
        /// The service has asked to be left alone until then.
        paused_until: Option<Instant>,
    },
    Open {
        reason: Reason,
        until: Instant,
    },
    HalfOpen {
        reason: Reason,
        /// Begun and not ended.
        under_way: HashSet<Uuid>,
        /// That may still begin.
        left: usize,
        good: usize,
        bad: usize,
        /// Those of the bad ones that got no answer.
        unreachable: usize,
        /// Failed again, as they had before: that is no news.
        stale: usize,
    },
}

impl Circuit {
    /// Closed, without a limit.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Closed {
                limit: None,
                paused_until: None,
            },
            recent: Recent::default(),
            times_open: 0,
            probes: PROBES_FIRST,
            closed_at: None,
        }
    }

    /// How much may be begun now, while so many calls are under way.
    pub(crate) fn allowed(&mut self, now: Instant, under_way: usize) -> Allowed {
        self.wake(now);
        match &self.state {
            State::Closed {
                paused_until: Some(until),
                ..
            } => Allowed::NoneUntil(*until),
            State::Closed { limit: None, .. } => Allowed::Calls(usize::MAX),
            State::Closed {
                limit: Some(limit), ..
            } => match limit.saturating_sub(under_way) {
                0 => Allowed::NoneYet,
                more => Allowed::Calls(more),
            },
            State::Open { until, .. } => Allowed::NoneUntil(*until),
            State::HalfOpen { left: 0, .. } => Allowed::NoneYet,
            State::HalfOpen { left, .. } => Allowed::Calls(*left),
        }
    }

    /// How many deliveries are of use.
    pub(crate) fn appetite(&self) -> Appetite {
        match &self.state {
            State::Closed { .. } => Appetite::Full,
            State::Open { .. } => Appetite::Nothing,
            State::HalfOpen { .. } => Appetite::Probes(self.probes),
        }
    }

    /// Why it is not closed, in a word.
    pub(crate) fn because(&self) -> Option<&'static str> {
        match &self.state {
            State::Closed { .. } => None,
            State::Open { reason, .. } | State::HalfOpen { reason, .. } => Some(reason.name()),
        }
    }

    /// Ends what has ended by the time.
    fn wake(&mut self, now: Instant) {
        match &mut self.state {
            State::Closed { paused_until, .. }
                if paused_until.is_some_and(|until| until <= now) =>
            {
                *paused_until = None;
            }
            State::Open { reason, until } if *until <= now => {
                self.state = State::HalfOpen {
                    reason: *reason,
                    under_way: HashSet::new(),
                    left: self.probes,
                    good: 0,
                    bad: 0,
                    unreachable: 0,
                    stale: 0,
                };
            }
            _ => {}
        }
    }

    /// A call for this transaction has begun.
    pub(crate) fn started(&mut self, id: Uuid) {
        if let State::HalfOpen {
            under_way, left, ..
        } = &mut self.state
            && *left > 0
        {
            *left -= 1;
            under_way.insert(id);
        }
    }

    /// What is under way was given up: nobody will hear of it.
    pub(crate) fn abandoned(&mut self) {
        if let State::HalfOpen {
            under_way, left, ..
        } = &mut self.state
        {
            *left += under_way.len();
            under_way.clear();
        }
    }

    /// A call has ended. `is_fresh` says that its transaction had not failed before. Returns whom the attempt is charged
    /// to if it did not succeed.
    pub(crate) fn ended(&mut self, called: &Called, is_fresh: bool, now: Instant) -> Charge {
        let charge = match called.signal {
            Signal::Here => Charge::Nobody,
            Signal::Limited => Charge::Pace,
            Signal::Succeeded | Signal::Refused | Signal::Failed | Signal::Unreachable => {
                Charge::Transaction
            }
            Signal::Panicked => return Charge::Transaction,
        };
        match &mut self.state {
            State::Closed { .. } => match self.ended_closed(called, is_fresh, now) {
                true => Charge::Service,
                false => charge,
            },
            State::HalfOpen {
                reason, under_way, ..
            } => {
                let reason = *reason;
                if under_way.remove(&called.attempt.id) {
                    self.ended_probe(called, is_fresh, now);
                }
                charge_while_open(reason, called.signal, charge)
            }
            State::Open { reason, .. } => charge_while_open(*reason, called.signal, charge),
        }
    }

    /// Returns whether this one is charged to the service.
    fn ended_closed(&mut self, called: &Called, is_fresh: bool, now: Instant) -> bool {
        let began = now.checked_sub(called.attempt.took);
        let is_of_before = (self.closed_at).is_some_and(|at| began.is_none_or(|began| began < at));
        let State::Closed {
            limit,
            paused_until,
        } = &mut self.state
        else {
            return false;
        };
        match called.signal {
            Signal::Succeeded => {
                if let Some(some) = limit {
                    *some += 1;
                }
                limit.take_if(|limit| *limit >= UNLIMITED);
            }
            // So many were too many for us.
            Signal::Here => {
                let fewer = limit.unwrap_or(UNLIMITED) * 9 / 10;
                *limit = Some(fewer.max(1));
                *paused_until = Some(now + HERE_PAUSE);
                return false;
            }
            _ => {}
        }
        if is_of_before && called.signal != Signal::Succeeded {
            return false;
        }
        self.recent.add(called.signal, is_fresh, now);
        if called.signal == Signal::Limited {
            let short = self.recent.short(now);
            if paused_until.is_none()
                && short.limited >= LIMITED_MIN
                && f64::from(short.limited) >= LIMITED_PART * f64::from(short.all())
            {
                let pause = called.attempt.retry_after.unwrap_or(PAUSE).min(PAUSE_MAX);
                *paused_until = Some(now + pause);
                // What went through until it was too much.
                *limit = Some(short.succeeded.max(1) as usize);
                tracing::info!(
                    event = "downstream_limits_rate",
                    ?pause,
                    limit,
                    "downstream asks for fewer calls"
                );
                self.recent.forget_short();
            }
            return false;
        }
        let Some(reason) = self.recent.verdict(now) else {
            return called.signal == Signal::Refused
                && is_fresh
                && self.recent.short(now).refused > REFUSALS_BELIEVED;
        };
        if self.closed_at.is_none_or(|at| now > at + STABLE_AFTER) {
            self.times_open = 0;
            self.probes = PROBES_FIRST;
        }
        self.open(reason, Some(called), now);
        true
    }

    fn open(&mut self, reason: Reason, because: Option<&Called>, now: Instant) {
        let longest = match reason {
            Reason::Unreachable => WAIT_UNREACHABLE_MAX,
            Reason::Failing | Reason::Refusing => WAIT_ANSWERED_MAX,
        };
        let span = (WAIT_FIRST * 2u32.saturating_pow(self.times_open.min(16))).min(longest);
        let wait = span.mul_f64(rand::random_range(0.5..=1.0));
        self.times_open += 1;
        self.recent = Recent::default();
        self.state = State::Open {
            reason,
            until: now + wait,
        };
        if let Some(called) = because {
            let status = called.attempt.status;
            // The words of an answer may repeat the transaction, and contents are not logged.
            let error = called.attempt.error.as_deref().filter(|_| status.is_none());
            tracing::warn!(
                event = "circuit_opened",
                ?reason,
                status,
                error,
                ?wait,
                "circuit breaker opened: no calls but probes until downstream works again"
            );
        }
    }

    fn ended_probe(&mut self, called: &Called, is_fresh: bool, now: Instant) {
        let State::HalfOpen {
            reason,
            under_way,
            left,
            good,
            bad,
            unreachable,
            stale,
        } = &mut self.state
        else {
            return;
        };
        let stale_times = match called.signal {
            Signal::Unreachable => STALE_UNREACHABLE_TIMES,
            _ => STALE_ANSWERED_TIMES,
        };
        match called.signal {
            Signal::Succeeded => *good += 1,
            // There may be others behind it. But when so many have failed again, that is the answer.
            _ if !is_fresh && *stale < stale_times * self.probes => {
                *stale += 1;
                *left += 1;
                return;
            }
            Signal::Refused if *reason != Reason::Refusing => *good += 1,
            Signal::Unreachable => {
                *bad += 1;
                *unreachable += 1;
            }
            // The last two say nothing about the service, but nothing good either.
            Signal::Refused
            | Signal::Failed
            | Signal::Limited
            | Signal::Here
            | Signal::Panicked => *bad += 1,
        }
        let all = (under_way.len() + *left + *good + *bad) as f64;
        let ended = (*good + *bad) as f64;
        let good_part = match reason {
            Reason::Failing => GOOD_PART_FAILING,
            Reason::Unreachable | Reason::Refusing => GOOD_PART,
        };
        // What comes drop by drop may close it one by one. To open it again takes all probes: the first few may be the
        // oldest of what waits, and bad for the same reason.
        let is_alone = under_way.is_empty();
        if *good as f64 > good_part * all || (is_alone && *good as f64 > good_part * ended) {
            tracing::info!(
                event = "circuit_closed",
                "circuit breaker closed: downstream works again"
            );
            self.state = State::Closed {
                limit: Some(self.probes * 2),
                paused_until: None,
            };
            self.closed_at = Some(now);
        } else if *bad as f64 >= (1.0 - good_part) * all {
            let reason = match (*reason, called.signal) {
                (Reason::Refusing, Signal::Refused) => Reason::Refusing,
                _ if *unreachable * 2 > *bad => Reason::Unreachable,
                (Reason::Refusing, _) | (_, Signal::Refused) => Reason::Refusing,
                _ => Reason::Failing,
            };
            self.probes = match reason {
                Reason::Unreachable => PROBES_FIRST,
                Reason::Failing | Reason::Refusing => (self.probes * PROBES_TIMES).min(PROBES_MAX),
            };
            self.open(reason, None, now);
        }
    }
}

#[cfg(test)]
mod tests;

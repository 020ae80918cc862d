//! What follows from an attempt: done, given up, or another one, and when.

use std::{str::FromStr, time::Duration};

use entity::{
    Outcome, Verdict,
    lifecycle::{Attempt, Job, Record, Transition},
};
use thiserror::Error;

use crate::circuit::Charge;

/// Waits that a schedule may have.
const WAITS_MAX: usize = 100;
/// The longest of them.
const WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The part of a wait that is added to it at random, at most: what failed together should not come back
/// together.
const JITTER: f64 = 0.2;
/// The wait after an attempt that was not made because something is short here.
const SHORT_OF_SOMETHING: Duration = Duration::from_secs(2);
/// The wait after an attempt that is charged to the service as a whole: the first, doubled each time, up to the longest.
/// Meanwhile others have their turn, which tell more about the service.
const DEFERRAL_FIRST: Duration = Duration::from_secs(5);
/// A service that asks for less than this gets this.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const DEFERRAL_MAX: Duration = Duration::from_secs(5 * 60);
/// What is to be tried again so soon stays in its consumer's hands.
const HELD_MAX: Duration = Duration::from_secs(6);
/// Such attempts, at most; and where they were refused.
const DEFERRALS_MAX: u32 = 100;
const REFUSAL_DEFERRALS_MAX: u32 = 20;

/// When to try again: the waits between attempts. After the last one there is no other attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// What was given is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "must be lengths of time up to 365d with commas between them, 100 at most, such as 5s,5m,2h"
)]
pub struct NoSchedule;

impl FromStr for Schedule {
    type Err = NoSchedule;

    fn from_str(text: &str) -> Result<Self, NoSchedule> {
        let waits: Result<Vec<_>, _> = text
            .split(',')
            .map(|wait| humantime::parse_duration(wait.trim()))
            .collect();
        match waits {
            Ok(waits) if waits.len() <= WAITS_MAX && waits.iter().all(|wait| *wait <= WAIT_MAX) => {
                Ok(Self(waits))
            }
            _ => Err(NoSchedule),
        }
    }
}

/// How far a transaction had come before an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Attempts that were charged to it.
    pub(crate) failures: u32,
    /// Attempts that were charged to the service as a whole.
    pub(crate) deferrals: u32,
}

impl From<&Job> for Progress {
    fn from(job: &Job) -> Self {
        Self {
            failures: job.failures,
            deferrals: job.deferrals,
        }
    }
}

impl Progress {
    /// Whether nothing has failed yet.
    pub(crate) fn is_fresh(self) -> bool {
        self == Self::default()
    }
}

impl Schedule {
    /// What follows from this attempt.
    pub(crate) fn decide(&self, attempt: Attempt, progress: Progress, charge: Charge) -> Record {
        let id = attempt.id;
        if attempt.outcome == Outcome::Succeeded {
            return Record {
                id,
                attempt: Some(Box::new(attempt)),
                next: Transition::Processed,
            };
        }
        if charge == Charge::Nobody {
            // It has never been made.
            return Record {
                id,
                attempt: None,
                next: Transition::Retry {
                    after: jittered(SHORT_OF_SOMETHING),
                    counts: false,
                },
            };
        }
        let next = match self.deferral(&attempt, progress, charge) {
            Some(rest) if charge == Charge::Pace && rest <= HELD_MAX => Transition::Hold { rest },
            Some(after) => Transition::Retry {
                after,
                counts: false,
            },
            None => self.failed(&attempt, progress),
        };
        Record {
            id,
            attempt: Some(Box::new(attempt)),
            next,
        }
    }

    /// The wait of an attempt that is charged to the service. That does not go on for ever: what has been put off so
    /// often is treated as any other.
    fn deferral(&self, attempt: &Attempt, progress: Progress, charge: Charge) -> Option<Duration> {
        let most = match attempt.outcome {
            Outcome::Refused => REFUSAL_DEFERRALS_MAX,
            _ => DEFERRALS_MAX,
        };
        let is_deferred = matches!(charge, Charge::Service | Charge::Pace);
        if !is_deferred || progress.deferrals >= most {
            return None;
        }
        if attempt.retry_after.is_some() || charge == Charge::Pace {
            let wait = attempt.retry_after.unwrap_or_default();
            return Some(jittered(wait.max(RETRY_AFTER_MIN)));
        }
        let doubled = 2u32.saturating_pow(progress.deferrals.min(16));
        let wait = DEFERRAL_FIRST.saturating_mul(doubled);
        Some(jittered(wait.min(DEFERRAL_MAX)))
    }

    fn failed(&self, attempt: &Attempt, progress: Progress) -> Transition {
        match attempt.outcome {
            Outcome::Refused => failed(Verdict::Permanent, attempt),
            outcome => match self.wait_after(attempt, progress) {
                Some(after) => Transition::Retry {
                    after,
                    counts: true,
                },
                None if outcome == Outcome::Panicked => failed(Verdict::Poison, attempt),
                None => failed(Verdict::Exhausted, attempt),
            },
        }
    }

    /// Never shorter than the schedule says, and never shorter than downstream has asked for.
    fn wait_after(&self, attempt: &Attempt, progress: Progress) -> Option<Duration> {
        let made = usize::try_from(progress.failures).unwrap_or(usize::MAX);
        let wait = jittered(*self.0.get(made)?);
        Some(wait.max(attempt.retry_after.unwrap_or_default()))
    }
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + rand::random_range(0.0..=JITTER))
}

fn failed(verdict: Verdict, attempt: &Attempt) -> Transition {
    let last = attempt.error.as_deref().unwrap_or("the attempt failed");
    let reason = match verdict {
        Verdict::Exhausted => format!("attempt {} was the last: {last}", attempt.number),
        Verdict::Permanent | Verdict::Poison | Verdict::GivenUp => last.to_owned(),
    };
    Transition::Failed { verdict, reason }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn attempt(number: u32, outcome: Outcome) -> Attempt {
        Attempt {
            id: Uuid::nil(),
            number,
            started_at: OffsetDateTime::UNIX_EPOCH,
            took: Duration::ZERO,
            outcome,
            status: None,
            error: Some("no answer".into()),
            retry_after: None,
        }
    }

    fn after_failures(failures: u32) -> Progress {
        Progress {
            failures,
            deferrals: 0,
        }
    }

    fn schedule() -> Schedule {
        "1s, 1m".parse().unwrap()
    }

    /// What follows after so many failures, where the transaction is charged.
    fn next(failures: u32, outcome: Outcome) -> Transition {
        let attempt = attempt(failures + 1, outcome);
        let record = schedule().decide(attempt, after_failures(failures), Charge::Transaction);
        record.next
    }

    fn wait(next: Transition) -> (f64, bool) {
        match next {
            Transition::Retry { after, counts } => (after.as_secs_f64(), counts),
            next => panic!("{next:?}"),
        }
    }

    #[test]
    fn a_failure_is_repeated_by_the_schedule_and_then_given_up() {
        for _ in 0..100 {
            let (first, counts) = wait(next(0, Outcome::Failed));
            assert!(counts && (1.0..=1.2).contains(&first), "{first}");
            let (second, _) = wait(next(1, Outcome::Panicked));
            assert!((60.0..=72.0).contains(&second), "{second}");
        }
        let Transition::Failed { verdict, reason } = next(2, Outcome::Failed) else {
            panic!("there is no fourth attempt")
        };
        assert_eq!(verdict, Verdict::Exhausted);
        assert_eq!(reason, "attempt 3 was the last: no answer");
        let given_up = next(2, Outcome::Panicked);
        assert!(matches!(
            given_up,
            Transition::Failed {
                verdict: Verdict::Poison,
                ..
            }
        ));
    }

    #[test]
    fn deaths_and_deferrals_do_not_move_along_the_schedule() {
        // The tenth attempt, and only one failure so far.
        let tenth = schedule().decide(
            attempt(10, Outcome::Failed),
            Progress {
                failures: 1,
                deferrals: 3,
            },
            Charge::Transaction,
        );
        let (second, counts) = wait(tenth.next);
        assert!(counts && second >= 60.0, "{second}");
    }

    #[test]
    fn success_and_refusal_are_final_at_once() {
        assert_eq!(next(0, Outcome::Succeeded), Transition::Processed);
        let refused = next(0, Outcome::Refused);
        assert!(matches!(
            refused,
            Transition::Failed {
                verdict: Verdict::Permanent,
                ..
            }
        ));
    }

    #[test]
    fn downstream_may_ask_for_a_longer_wait_and_not_for_a_shorter_one() {
        let asks = |seconds| {
            let attempt = Attempt {
                retry_after: Some(Duration::from_secs(seconds)),
                ..attempt(1, Outcome::Failed)
            };
            let record = schedule().decide(attempt, Progress::default(), Charge::Transaction);
            wait(record.next).0
        };
        assert_eq!(asks(7200), 7200.0);
        assert!(asks(0) >= 1.0);
    }

    #[test]
    fn what_is_charged_to_the_service_costs_the_transaction_nothing_up_to_a_bound() {
        let deferred = |outcome, deferrals, retry_after: Option<u64>| {
            let attempt = Attempt {
                retry_after: retry_after.map(Duration::from_secs),
                ..attempt(1, outcome)
            };
            let progress = Progress {
                failures: 0,
                deferrals,
            };
            schedule().decide(attempt, progress, Charge::Service).next
        };
        for (deferrals, least) in [(0, 5.0), (1, 10.0), (3, 40.0), (50, 300.0)] {
            let (wait, counts) = wait(deferred(Outcome::Failed, deferrals, None));
            assert!(!counts && (least..=least * 1.2).contains(&wait), "{wait}");
        }
        let (asked_for, counts) = wait(deferred(Outcome::Failed, 9, Some(30)));
        assert!(!counts && (30.0..=36.0).contains(&asked_for));
        let (_, counts) = wait(deferred(Outcome::Failed, DEFERRALS_MAX, None));
        assert!(counts);
        let (_, counts) = wait(deferred(Outcome::Refused, 0, None));
        assert!(!counts);
        let believed = deferred(Outcome::Refused, REFUSAL_DEFERRALS_MAX, None);
        assert!(matches!(believed, Transition::Failed { .. }));
    }

    #[test]
    fn what_the_service_wants_later_and_soon_stays_in_flight() {
        let next = |retry_after: Option<u64>, deferrals| {
            let attempt = Attempt {
                retry_after: retry_after.map(Duration::from_secs),
                ..attempt(1, Outcome::Failed)
            };
            let progress = Progress {
                failures: 0,
                deferrals,
            };
            schedule().decide(attempt, progress, Charge::Pace).next
        };
        for (retry_after, least) in [(None, 1), (Some(0), 1), (Some(4), 4)] {
            let Transition::Hold { rest } = next(retry_after, 3) else {
                panic!("it is put away")
            };
            assert!(rest >= Duration::from_secs(least));
        }
        assert!(!wait(next(Some(60), 3)).1);
        assert!(wait(next(None, DEFERRALS_MAX)).1);
    }

    #[test]
    fn what_was_short_here_leaves_no_trace() {
        let record = schedule().decide(
            attempt(1, Outcome::Failed),
            after_failures(2),
            Charge::Nobody,
        );
        assert_eq!(record.attempt, None);
        let (wait, counts) = wait(record.next);
        assert!(!counts && wait >= SHORT_OF_SOMETHING.as_secs_f64());
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let too_many = ["1s"; 101].join(",");
        for text in [
            "",
            "5",
            "5s,",
            "-1s",
            "soon",
            "1s,366d",
            "500000000000y",
            &too_many,
        ] {
            assert_eq!(text.parse::<Schedule>(), Err(NoSchedule), "{text}");
        }
    }
}

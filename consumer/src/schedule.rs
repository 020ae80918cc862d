//! What follows from an attempt: done, given up, or another one, and when.

use std::{str::FromStr, time::Duration};

use entity::{
    Outcome, Verdict,
    lifecycle::{Attempt, Conclusion, Next},
};
use thiserror::Error;

/// Waits that a schedule may have.
const WAITS_MAX: usize = 100;
/// The part of a wait that is added to it at random, at most: what failed together should not come back
/// together.
const JITTER: f64 = 0.2;

/// When to try again: the waits between attempts. After the last one there is no other attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// What was given is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be lengths of time with commas between them, 100 at most, such as 5s,5m,2h")]
pub struct NoSchedule;

impl FromStr for Schedule {
    type Err = NoSchedule;

    fn from_str(text: &str) -> Result<Self, NoSchedule> {
        let waits: Result<Vec<_>, _> = text
            .split(',')
            .map(|wait| humantime::parse_duration(wait.trim()))
            .collect();
        match waits {
            Ok(waits) if waits.len() <= WAITS_MAX => Ok(Self(waits)),
            _ => Err(NoSchedule),
        }
    }
}

impl Schedule {
    /// What follows from this attempt.
    pub(crate) fn conclude(&self, attempt: Attempt) -> Conclusion {
        let next = match attempt.outcome {
            Outcome::Succeeded => Next::Processed,
            Outcome::Refused => failed(Verdict::Permanent, &attempt),
            Outcome::Failed | Outcome::Panicked => match self.wait_after(&attempt) {
                Some(after) => Next::Again { after },
                None if attempt.outcome == Outcome::Panicked => failed(Verdict::Poison, &attempt),
                None => failed(Verdict::Exhausted, &attempt),
            },
        };
        Conclusion {
            id: attempt.id,
            attempt: Some(attempt),
            next,
        }
    }

    /// Never shorter than the schedule says, and never shorter than the far side has asked for.
    fn wait_after(&self, attempt: &Attempt) -> Option<Duration> {
        let made = usize::try_from(attempt.number).unwrap_or(usize::MAX);
        let wait = self.0.get(made.saturating_sub(1))?;
        let wait = wait.mul_f64(1.0 + rand::random_range(0.0..=JITTER));
        Some(wait.max(attempt.retry_after.unwrap_or_default()))
    }
}

fn failed(verdict: Verdict, attempt: &Attempt) -> Next {
    let last = attempt.error.as_deref().unwrap_or("the attempt failed");
    let reason = match verdict {
        Verdict::Exhausted => format!("attempt {} was the last: {last}", attempt.number),
        Verdict::Permanent | Verdict::Poison => last.to_owned(),
    };
    Next::Failed { verdict, reason }
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

    fn next(number: u32, outcome: Outcome) -> Next {
        let schedule: Schedule = "1s, 1m".parse().unwrap();
        schedule.conclude(attempt(number, outcome)).next
    }

    fn wait(attempt: Attempt) -> f64 {
        let schedule: Schedule = "1s,1m".parse().unwrap();
        match schedule.conclude(attempt).next {
            Next::Again { after } => after.as_secs_f64(),
            next => panic!("{next:?}"),
        }
    }

    #[test]
    fn a_failure_is_repeated_by_the_schedule_and_then_given_up() {
        for _ in 0..100 {
            let first = wait(attempt(1, Outcome::Failed));
            assert!((1.0..=1.2).contains(&first), "{first}");
            let second = wait(attempt(2, Outcome::Panicked));
            assert!((60.0..=72.0).contains(&second), "{second}");
        }
        let Next::Failed { verdict, reason } = next(3, Outcome::Failed) else {
            panic!("there is no fourth attempt")
        };
        assert_eq!(verdict, Verdict::Exhausted);
        assert_eq!(reason, "attempt 3 was the last: no answer");
        let given_up = next(3, Outcome::Panicked);
        assert!(matches!(
            given_up,
            Next::Failed {
                verdict: Verdict::Poison,
                ..
            }
        ));
    }

    #[test]
    fn success_and_refusal_are_final_at_once() {
        assert_eq!(next(1, Outcome::Succeeded), Next::Processed);
        let refused = next(1, Outcome::Refused);
        assert!(matches!(
            refused,
            Next::Failed {
                verdict: Verdict::Permanent,
                ..
            }
        ));
    }

    #[test]
    fn the_far_side_may_ask_for_a_longer_wait_and_not_for_a_shorter_one() {
        let asks = |seconds| Attempt {
            retry_after: Some(Duration::from_secs(seconds)),
            ..attempt(1, Outcome::Failed)
        };
        assert_eq!(wait(asks(7200)), 7200.0);
        assert!(wait(asks(0)) >= 1.0);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let too_many = ["1s"; 101].join(",");
        for text in ["", "5", "5s,", "-1s", "soon", &too_many] {
            assert_eq!(text.parse::<Schedule>(), Err(NoSchedule), "{text}");
        }
    }
}

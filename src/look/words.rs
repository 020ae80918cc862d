//! Statuses, verdicts and outcomes, as everywhere.

use entity::{Outcome, Status, Verdict};

pub fn status(status: Status) -> &'static str {
    match status {
        Status::Processing => "PROCESSING",
        Status::Processed => "PROCESSED",
        Status::Failed => "FAILED",
    }
}

pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permanent => "PERMANENT",
        Verdict::Exhausted => "EXHAUSTED",
        Verdict::Poison => "POISON",
        Verdict::GivenUp => "GIVEN_UP",
    }
}

pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "SUCCEEDED",
        Outcome::Refused => "REFUSED",
        Outcome::Failed => "FAILED",
        Outcome::Panicked => "PANICKED",
    }
}

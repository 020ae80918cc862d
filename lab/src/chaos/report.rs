//! What came out of one run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    check::{State, Violation, longest_refusal, refused, slowest},
    history::{Outcome, Request},
    schedule::Step,
    webhook::Webhooks,
    world::Work,
};

/// A harness that wakes so much too late, in milliseconds, cannot tell its own pauses from the service's.
const STARVED_MS: u64 = 1000;

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    pub(super) fault: String,
    pub(super) row: &'static str,
    pub(super) seed: u64,
    pub(super) work: Work,
    pub(super) schedule: Vec<Step>,
    #[serde(flatten)]
    pub(super) outcomes: Outcomes,
    pub(super) violations: BTreeMap<Violation, u64>,
    pub(super) examples: Vec<String>,
    /// From the healing until everything that was committed before it was final; the longest of all steps.
    pub(super) recovered_in_s: Option<f64>,
    /// From the last request until nothing was left to do.
    pub(super) quiet_in_s: f64,
    pub(super) restarts: u64,
    /// How often somebody looked at a transaction meanwhile.
    pub(super) looks: u64,
    /// Runs of one id that overlapped; `None` where nobody can see them.
    pub(super) overlapping_runs: Option<u64>,
    /// Calls of downstream that were not the first of their id.
    pub(super) repeated_calls: Option<u64>,
    /// How often a consumer gave everything back, because it could not renew its lease.
    pub(super) lost_leases: u64,
    /// Deaths at each failpoint.
    pub(super) deaths: BTreeMap<&'static str, u64>,
    /// How late a sender of the harness woke at worst.
    pub(super) behind_ms: u64,
    /// Whether the outbox's quarter of an hour was let pass at once.
    pub(super) time_lapse: bool,
    pub(super) notes: Vec<String>,
    pub(super) took_s: f64,
    /// What went into it.
    pub(super) spent_s: BTreeMap<&'static str, f64>,
}

/// What became of the requests.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcomes {
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) conflicts: u64,
    pub(super) later: u64,
    pub(super) refused: u64,
    pub(super) unanswered: u64,
    pub(super) left: u64,
    /// Transactions in the database.
    pub(super) rows: u64,
    /// Those of them for which nobody ever got a 202.
    pub(super) recovered: u64,
    /// The slowest 202, in milliseconds.
    pub(super) slowest_ms: u64,
    /// The longest from a commit to its end, of those that downstream did not fail itself.
    pub(super) slowest_s: Option<f64>,
    /// The longest time without a 202 for anybody.
    pub(super) longest_refusal_s: f64,
    /// Transactions that downstream refused for good.
    pub(super) refused_by_downstream: u64,
    /// Transactions that have failed.
    pub(super) failed: u64,
    pub(super) dead_letters: u64,
}

impl Run {
    pub(super) fn is_clean(&self) -> bool {
        self.violations.values().all(|count| *count == 0)
    }

    /// Whether what it found may be the machine's doing.
    pub(super) fn is_starved(&self) -> bool {
        !self.is_clean() && self.behind_ms >= STARVED_MS
    }
}

impl Outcomes {
    pub(super) fn of(webhooks: &Webhooks, requests: &[Request], state: &State) -> Self {
        let mut outcomes = Self {
            requests: requests.len() as u64,
            rows: state.rows.len() as u64,
            slowest_s: slowest(state).map(|took| took.as_secs_f64()),
            longest_refusal_s: longest_refusal(requests).as_secs_f64(),
            refused_by_downstream: refused(&state.calls).len() as u64,
            failed: state.failed(),
            dead_letters: state.dead_letters,
            ..Self::default()
        };
        let mut accepted = std::collections::BTreeSet::new();
        for request in requests {
            match &request.outcome {
                Outcome::Accepted {
                    duplicate,
                    conflict,
                } => {
                    outcomes.accepted += 1;
                    outcomes.duplicates += u64::from(*duplicate);
                    outcomes.conflicts += u64::from(*conflict);
                    let took = u64::try_from(request.took.as_millis()).unwrap_or(u64::MAX);
                    outcomes.slowest_ms = outcomes.slowest_ms.max(took);
                    accepted.insert(request.number);
                }
                Outcome::Later => outcomes.later += 1,
                Outcome::Refused(_) | Outcome::Wrong(_) => outcomes.refused += 1,
                Outcome::Unknown => outcomes.unanswered += 1,
                Outcome::Left => outcomes.left += 1,
            }
        }
        let numbers = state.rows.iter();
        let numbers = numbers.filter_map(|row| webhooks.number(&row.content.transaction_id));
        outcomes.recovered = numbers.filter(|number| !accepted.contains(number)).count() as u64;
        outcomes
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::{Outcomes, Run};
    use crate::chaos::{check::Violation, world::Work};

    /// A run of `kill-api` that found this.
    pub(in crate::chaos) fn run(violations: BTreeMap<Violation, u64>) -> Run {
        Run {
            fault: "kill-api".into(),
            row: "A1",
            seed: 1,
            work: Work::Simulate,
            schedule: Vec::new(),
            outcomes: Outcomes::default(),
            violations,
            examples: vec!["txn_1".into()],
            recovered_in_s: None,
            quiet_in_s: 0.0,
            restarts: 0,
            looks: 0,
            overlapping_runs: None,
            repeated_calls: None,
            lost_leases: 0,
            deaths: BTreeMap::new(),
            behind_ms: 0,
            time_lapse: false,
            notes: Vec::new(),
            took_s: 0.0,
            spent_s: BTreeMap::new(),
        }
    }

    #[test]
    fn what_a_starved_harness_finds_is_no_finding() {
        let mut run = run([(Violation::Stuck, 1)].into());
        assert!(!run.is_starved());
        run.behind_ms = 5000;
        assert!(run.is_starved());
        run.violations.clear();
        assert!(
            !run.is_starved(),
            "a clean run proves something however late it woke"
        );
    }
}

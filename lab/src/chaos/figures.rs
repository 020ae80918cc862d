//! What runs come to: one run, or all of a fault together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Formatter},
};

use serde::{Deserialize, Serialize};

use super::{
    check::{State, Violation, longest_refusal, overlaps, refused, repeats, slowest},
    history::{Outcome, Request},
    webhook::Webhooks,
};
use crate::median::median;

/// Figures of runs, each by its name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Figures {
    pub(super) runs: u64,
    /// Of several runs the sum.
    pub(super) counts: BTreeMap<String, u64>,
    /// What was found of what must never be.
    pub(super) violations: BTreeMap<Violation, u64>,
    /// Deaths at each failpoint.
    pub(super) deaths: BTreeMap<String, u64>,
    /// What is the longest of one run, and differs from run to run.
    pub(super) spreads: BTreeMap<String, Spread>,
    pub(super) took_s: f64,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) worst: f64,
    #[serde(skip)]
    values: Vec<f64>,
}

impl Figures {
    /// Of one run, as senders and the final state have it.
    pub(super) fn of(webhooks: &Webhooks, requests: &[Request], state: &State) -> Self {
        let mut figures = Self {
            runs: 1,
            ..Self::default()
        };
        let mut accepted = BTreeSet::new();
        let mut slowest_ms = 0;
        for request in requests {
            figures.count("requests", 1);
            match &request.outcome {
                Outcome::Accepted(told) => {
                    figures.count("accepted", 1);
                    match told {
                        Some(told) => {
                            figures.count("duplicates", u64::from(told.duplicate));
                            figures.count("conflicts", u64::from(told.conflict));
                        }
                        None => figures.count("signed", 1),
                    }
                    slowest_ms = slowest_ms.max(request.took.as_millis());
                    accepted.insert(request.number);
                }
                Outcome::Later => figures.count("later", 1),
                Outcome::Refused(401) => figures.count("forged", 1),
                Outcome::Refused(_) | Outcome::Wrong(_) => figures.count("refused", 1),
                Outcome::Unknown => figures.count("unanswered", 1),
                Outcome::Left => figures.count("left", 1),
            }
        }
        let numbers = state.rows.iter();
        let numbers = numbers.filter_map(|row| webhooks.number(&row.content.key));
        // Nobody ever got a 202 for these.
        let recovered = numbers.filter(|number| !accepted.contains(number));
        figures.count("recovered", recovered.count() as u64);
        figures.count("rows", state.rows.len() as u64);
        figures.count("failed", state.failed());
        figures.count("dead_letters", state.dead_letters);
        figures.count("lost_leases", state.lost_leases);
        if !state.calls.is_empty() {
            figures.count("refused_by_downstream", refused(&state.calls).len() as u64);
            figures.count("overlapping_runs", overlaps(&state.calls));
            figures.count("repeated_calls", repeats(&state.calls));
        }
        // The slowest 202; the longest from a commit to its end, unless downstream failed it; and without any 202.
        figures.spread("slowest_ms", slowest_ms as f64);
        if let Some(slowest) = slowest(state) {
            figures.spread("slowest_s", slowest.as_secs_f64());
        }
        figures.spread("longest_refusal_s", longest_refusal(requests).as_secs_f64());
        figures
    }

    pub(super) fn count(&mut self, name: &str, more: u64) {
        *self.counts.entry(name.to_owned()).or_default() += more;
    }

    pub(super) fn spread(&mut self, name: &str, value: f64) {
        let one = Spread {
            worst: value,
            values: vec![value],
            ..Spread::default()
        };
        self.spreads.entry(name.to_owned()).or_default().merge(&one);
    }

    /// These and those of `other` together.
    pub(super) fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.took_s += other.took_s;
        add(&mut self.counts, &other.counts);
        add(&mut self.violations, &other.violations);
        add(&mut self.deaths, &other.deaths);
        for (name, spread) in &other.spreads {
            self.spreads.entry(name.clone()).or_default().merge(spread);
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many were lost, stuck and duplicated, and whatever else was found.
    pub(super) fn found(&self) -> [u64; 4] {
        let count = |violation| self.violations.get(&violation).copied().unwrap_or(0);
        let [lost, stuck, duplicated] =
            [Violation::Lost, Violation::Stuck, Violation::Duplicated].map(count);
        let all: u64 = self.violations.values().sum();
        [lost, stuck, duplicated, all - lost - stuck - duplicated]
    }

    /// The worst of all runs; `None` if it has come to that nowhere.
    pub(super) fn worst(&self, name: &str) -> Option<f64> {
        self.spreads.get(name).map(|spread| spread.worst)
    }
}

fn add<K: Ord + Clone>(sums: &mut BTreeMap<K, u64>, counts: &BTreeMap<K, u64>) {
    for (name, count) in counts {
        *sums.entry(name.clone()).or_default() += count;
    }
}

impl Spread {
    fn merge(&mut self, other: &Self) {
        self.values.extend(&other.values);
        self.median = median(&self.values);
        self.worst = self.worst.max(other.worst);
    }
}

impl Display for Figures {
    /// One line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for name in ["requests", "accepted", "restarts"] {
            let count = self.counts.get(name).copied().unwrap_or(0);
            write!(f, "{count} {name}, ")?;
        }
        for (what, name) in [
            ("recovered in", "recovered_in_s"),
            ("slowest", "slowest_s"),
            ("no 202 for", "longest_refusal_s"),
        ] {
            match self.worst(name) {
                Some(worst) => write!(f, "{what} {worst:.1} s, ")?,
                None => write!(f, "{what} -, ")?,
            }
        }
        if self.is_clean() {
            return write!(f, "clean");
        }
        write!(f, "FOUND {:?}", self.violations)
    }
}

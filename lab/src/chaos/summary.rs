//! What a command's runs come to, fault by fault: what is kept of them, and what tables are made from.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::{Value, value::RawValue};

use super::{
    check::Violation,
    fault,
    report::{Report, Run},
};
use crate::{document, machine::Machine, median::median};

/// A report without its clean runs.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) command: String,
    pub(super) machine: Machine,
    /// How many runs were asked for: a report that was cut short has fewer.
    pub(super) planned: usize,
    /// In the order of `--list`.
    #[serde(serialize_with = "a_line_each")]
    pub(super) faults: Vec<Entry>,
    pub(super) skipped: BTreeMap<String, String>,
    pub(super) broken: Vec<String>,
    pub(super) starved: Vec<String>,
}

/// The runs of one fault. What is counted is the sum of all runs.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) fault: String,
    pub(super) row: String,
    pub(super) runs: usize,
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) rows: u64,
    pub(super) dead_letters: u64,
    /// Those that were found.
    pub(super) violations: BTreeMap<Violation, u64>,
    pub(super) restarts: u64,
    pub(super) overlapping_runs: Option<u64>,
    pub(super) repeated_calls: Option<u64>,
    pub(super) lost_leases: u64,
    pub(super) deaths: BTreeMap<String, u64>,
    pub(super) recovered_in_s: Option<Spread>,
    pub(super) quiet_in_s: Option<Spread>,
    pub(super) slowest_s: Option<Spread>,
    pub(super) slowest_ms: Option<Spread>,
    pub(super) longest_refusal_s: Option<Spread>,
    pub(super) behind_ms: Option<Spread>,
    pub(super) took_s: f64,
    /// The runs that found something, in full.
    pub(super) violated: Vec<Value>,
}

/// What differs from run to run.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) worst: f64,
}

impl Summary {
    pub(super) fn of(report: &Report) -> Result<Self> {
        let order: Vec<String> = fault::all().map(|about| about.fault.name()).collect();
        let place = |name: &str| order.iter().position(|known| known == name);
        let mut groups: BTreeMap<(Option<usize>, &str), Vec<&Run>> = BTreeMap::new();
        for run in &report.runs {
            let key = (place(&run.fault), run.fault.as_str());
            groups.entry(key).or_default().push(run);
        }
        let entries = groups.values().map(|runs| Entry::of(runs));
        Ok(Self {
            command: report.command.clone(),
            machine: report.machine.clone(),
            planned: report.planned,
            faults: entries.collect::<Result<_>>()?,
            skipped: report.skipped.clone(),
            broken: report.broken.clone(),
            starved: report.starved.clone(),
        })
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        document::write(file, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}

impl Entry {
    /// Of the runs of one fault.
    fn of(runs: &[&Run]) -> Result<Self> {
        let sum = |of: fn(&Run) -> u64| runs.iter().map(|run| of(run)).sum();
        let known = |of: fn(&Run) -> Option<u64>| {
            let known = runs.iter().filter_map(|run| of(run));
            known.reduce(|one, other| one + other)
        };
        let spread = |of: fn(&Run) -> Option<f64>| {
            let values: Vec<f64> = runs.iter().filter_map(|run| of(run)).collect();
            let worst = values.iter().copied().reduce(f64::max)?;
            let median = median(&values);
            Some(Spread { median, worst })
        };
        let violations = runs.iter().flat_map(|run| &run.violations);
        let violations = violations.filter(|(_, count)| **count > 0);
        let violated = runs.iter().filter(|run| !run.is_clean());
        Ok(Self {
            fault: runs
                .first()
                .map_or_else(String::new, |run| run.fault.clone()),
            row: runs.first().map_or_else(String::new, |run| run.row.into()),
            runs: runs.len(),
            requests: sum(|run| run.outcomes.requests),
            accepted: sum(|run| run.outcomes.accepted),
            rows: sum(|run| run.outcomes.rows),
            dead_letters: sum(|run| run.outcomes.dead_letters),
            violations: sums(violations.map(|(violation, count)| (*violation, *count))),
            restarts: sum(|run| run.restarts),
            overlapping_runs: known(|run| run.overlapping_runs),
            repeated_calls: known(|run| run.repeated_calls),
            lost_leases: sum(|run| run.lost_leases),
            deaths: sums(
                runs.iter()
                    .flat_map(|run| &run.deaths)
                    .map(|(at, n)| ((*at).into(), *n)),
            ),
            recovered_in_s: spread(|run| run.recovered_in_s),
            quiet_in_s: spread(|run| Some(run.quiet_in_s)),
            slowest_s: spread(|run| run.outcomes.slowest_s),
            slowest_ms: spread(|run| Some(run.outcomes.slowest_ms as f64)),
            longest_refusal_s: spread(|run| Some(run.outcomes.longest_refusal_s)),
            behind_ms: spread(|run| Some(run.behind_ms as f64)),
            took_s: runs.iter().map(|run| run.took_s).sum(),
            violated: violated
                .map(serde_json::to_value)
                .collect::<Result<_, _>>()?,
        })
    }

    /// How many were lost, stuck and duplicated, and whatever else was found.
    pub(super) fn found(&self) -> [u64; 4] {
        let count = |violation| self.violations.get(&violation).copied().unwrap_or(0);
        let [lost, stuck, duplicated] =
            [Violation::Lost, Violation::Stuck, Violation::Duplicated].map(count);
        let all: u64 = self.violations.values().sum();
        [lost, stuck, duplicated, all - lost - stuck - duplicated]
    }
}

/// The counts of each together.
pub(super) fn sums<K: Ord>(counts: impl Iterator<Item = (K, u64)>) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in counts {
        *sums.entry(name).or_default() += count;
    }
    sums
}

/// However the rest is laid out: who compares two summaries sees which faults differ.
fn a_line_each<S: Serializer>(entries: &[Entry], serializer: S) -> Result<S::Ok, S::Error> {
    let lines = entries.iter().map(serde_json::value::to_raw_value);
    let lines: Vec<Box<RawValue>> = lines.collect::<Result<_, _>>().map_err(S::Error::custom)?;
    lines.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use crate::chaos::{check::Violation, report::tests::report};

    #[test]
    fn of_the_runs_of_a_fault_sums_and_the_worst_are_kept_and_those_in_full_that_found_something() {
        let mut all = report([(Violation::Stuck, 0)].into(), Vec::new());
        for (number, fault, stuck) in [(1, "stop-api", 0), (2, "kill-api", 2), (3, "none", 0)] {
            let mut run = report([(Violation::Stuck, stuck)].into(), Vec::new())
                .runs
                .remove(0);
            run.fault = fault.into();
            run.outcomes.requests = 10;
            run.recovered_in_s = Some(number as f64);
            all.add(number, run);
        }
        let summary = Summary::of(&all).unwrap();
        let names: Vec<&str> = summary
            .faults
            .iter()
            .map(|entry| entry.fault.as_str())
            .collect();
        assert_eq!(
            names,
            ["none", "kill-api", "stop-api"],
            "the order of the list"
        );
        let kill = &summary.faults[1];
        assert_eq!(
            (kill.runs, kill.requests, kill.found()),
            (2, 10, [0, 2, 0, 0])
        );
        assert_eq!(kill.recovered_in_s.unwrap().worst, 2.0);
        assert_eq!(kill.violated.len(), 1);
        assert_eq!(kill.violated[0]["violations"]["stuck"], 2);
        assert!(summary.faults[0].violations.is_empty() && summary.faults[0].violated.is_empty());

        let json = serde_json::to_string_pretty(&summary).unwrap();
        assert_eq!(
            json.matches("\"fault\":").count(),
            4,
            "a line each, and one in full: {json}"
        );
        let read: Summary = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string_pretty(&read).unwrap(), json);
    }
}

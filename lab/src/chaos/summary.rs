//! What a command's runs come to, fault by fault: what is printed, kept and shown is all made from this.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    path::Path,
    slice,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::{Value, value::RawValue};

use super::{check::Violation, fault, report::Run};
use crate::{document, machine::Machine, median::median};

/// Everything that a command did.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) command: String,
    pub(super) machine: Machine,
    /// How many runs were asked for: a summary that was cut short has fewer.
    pub(super) planned: usize,
    /// In the order of `--list`.
    #[serde(serialize_with = "a_line_each")]
    pub(super) faults: Vec<Entry>,
    /// What could not be injected here, and why.
    pub(super) skipped: BTreeMap<String, String>,
    /// Runs that the harness could not carry out.
    pub(super) broken: Vec<String>,
    /// Runs that found something while the machine had no time for the harness: they prove nothing.
    pub(super) starved: Vec<String>,
    /// What the entries are made from, in their order.
    #[serde(skip)]
    runs: Vec<Run>,
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
    /// Of no run yet.
    pub(super) fn new(command: String, machine: Machine) -> Self {
        Self {
            command,
            machine,
            ..Self::default()
        }
    }

    /// Takes a run over. Whenever it ended, its place follows from its fault and its seed.
    pub(super) fn add(&mut self, run: Run) -> Result<()> {
        let order: Vec<String> = fault::all().map(|about| about.fault.name()).collect();
        let place = |run: &Run| (order.iter().position(|name| *name == run.fault), run.seed);
        let before = |other: &Run| place(other) < place(&run);
        let at = self.runs.partition_point(before);
        self.runs.insert(at, run);
        let faults = self.runs.chunk_by(|one, other| one.fault == other.fault);
        self.faults = faults.map(Entry::of).collect::<Result<_>>()?;
        Ok(())
    }

    /// Whether everything that must be none is none, and every run took place.
    pub(super) fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.starved.is_empty() && self.runs.iter().all(Run::is_clean)
    }

    /// The runs that found something: a line about each, and examples.
    pub(super) fn violated(&self) -> impl Iterator<Item = (Result<Entry>, &[String])> {
        let violated = self.runs.iter().filter(|run| !run.is_clean());
        violated.map(|run| (Entry::of(slice::from_ref(run)), run.examples.as_slice()))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        document::write(file, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}

impl Entry {
    /// Of the runs of one fault.
    pub(super) fn of(runs: &[Run]) -> Result<Self> {
        let sum = |of: fn(&Run) -> u64| runs.iter().map(of).sum();
        let known = |of: fn(&Run) -> Option<u64>| {
            let known = runs.iter().filter_map(of);
            known.reduce(|one, other| one + other)
        };
        let spread = |of: fn(&Run) -> Option<f64>| {
            let values: Vec<f64> = runs.iter().filter_map(of).collect();
            let worst = values.iter().copied().reduce(f64::max)?;
            let median = median(&values);
            Some(Spread { median, worst })
        };
        let violations = runs.iter().flat_map(|run| &run.violations);
        let violations = violations.filter(|(_, count)| **count > 0);
        let violated = runs.iter().filter(|run| !run.is_clean());
        let deaths = runs.iter().flat_map(|run| &run.deaths);
        let first = runs.first().context("there is no run")?;
        Ok(Self {
            fault: first.fault.clone(),
            row: first.row.into(),
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
            deaths: sums(deaths.map(|(at, count)| ((*at).into(), *count))),
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

impl Display for Entry {
    /// One line about it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = |spread: Option<Spread>| {
            spread.map_or("-".into(), |spread| format!("{:.1} s", spread.worst))
        };
        let found: Vec<String> = self
            .violations
            .iter()
            .map(|(violation, count)| format!("{violation:?} {count}"))
            .collect();
        let found = match found.is_empty() {
            true => "clean".to_owned(),
            false => found.join(", "),
        };
        write!(
            f,
            "{} requests, {} accepted, {} restarts, recovered in {}, slowest {}, no 202 for {}: {found}",
            self.requests,
            self.accepted,
            self.restarts,
            seconds(self.recovered_in_s),
            seconds(self.slowest_s),
            seconds(self.longest_refusal_s),
        )
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
    use crate::chaos::{check::Violation, report::tests::run};

    #[test]
    fn of_the_runs_of_a_fault_sums_and_the_worst_are_kept_and_those_in_full_that_found_something() {
        let mut summary = Summary::default();
        // They end in any order.
        let runs = [
            ("stop-api", 1, 0),
            ("kill-api", 3, 2),
            ("none", 2, 0),
            ("kill-api", 2, 0),
            ("kill-api", 1, 3),
        ];
        for (fault, seed, stuck) in runs {
            let mut run = run([(Violation::Stuck, stuck)].into());
            (run.fault, run.seed) = (fault.into(), seed);
            run.outcomes.requests = 10;
            run.recovered_in_s = Some(seed as f64);
            summary.add(run).unwrap();
        }
        let faults = summary.faults.iter();
        let names: Vec<&str> = faults.map(|entry| entry.fault.as_str()).collect();
        assert_eq!(
            names,
            ["none", "kill-api", "stop-api"],
            "the order of the list"
        );
        let kill = &summary.faults[1];
        assert_eq!(
            (kill.runs, kill.requests, kill.found()),
            (3, 30, [0, 5, 0, 0])
        );
        let recovered = kill.recovered_in_s.unwrap();
        assert_eq!((recovered.median, recovered.worst), (2.0, 3.0));
        let violated = kill.violated.iter();
        let violated: Vec<_> = violated
            .map(|run| (&run["seed"], &run["violations"]["stuck"]))
            .collect();
        assert_eq!(
            violated,
            [(&1.into(), &3.into()), (&3.into(), &2.into())],
            "by their seeds"
        );
        assert!(summary.faults[0].violations.is_empty() && summary.faults[0].violated.is_empty());

        let json = serde_json::to_string_pretty(&summary).unwrap();
        assert_eq!(
            json.matches("\"fault\":").count(),
            5,
            "a line each, and two in full: {json}"
        );
        let read: Summary = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string_pretty(&read).unwrap(), json);
    }

    #[test]
    fn it_is_clean_only_without_any_violation_and_without_a_broken_run() {
        let of = |violations| {
            let mut summary = Summary::default();
            summary.add(run(violations)).unwrap();
            summary
        };
        let none = || Violation::all().map(|violation| (violation, 0)).collect();
        assert!(of(none()).is_clean());
        let mut broken = of(none());
        broken.broken.push("no server".into());
        assert!(!broken.is_clean());
        let mut starved = of(none());
        starved.starved.push("no time".into());
        assert!(!starved.is_clean());
        for violation in Violation::all() {
            let mut one: std::collections::BTreeMap<_, _> = none();
            one.insert(violation, 1);
            let summary = of(one);
            assert!(!summary.is_clean(), "{violation:?}");
            let (line, examples) = summary.violated().next().unwrap();
            let line = line.unwrap().to_string();
            assert!(line.contains(&format!("{violation:?} 1")), "{line}");
            assert_eq!(examples, ["txn_1"]);
        }
    }
}

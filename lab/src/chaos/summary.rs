//! What a command's runs come to, fault by fault: what is printed, kept and shown is all made from this.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::{Value, value::RawValue};

use super::{fault, figures::Figures, schedule::Step, world::Work};
use crate::{document, machine::Machine};

/// A harness that wakes so much too late, in milliseconds, cannot tell its own pauses from the service's.
const STARVED_MS: f64 = 1000.0;

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
}

/// The runs of one fault.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Entry {
    pub(super) fault: String,
    pub(super) row: String,
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// The runs that found something, in full.
    pub(super) violated: Vec<Value>,
}

/// One run, in full.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    pub(super) fault: String,
    pub(super) row: &'static str,
    pub(super) seed: u64,
    pub(super) work: Work,
    pub(super) schedule: Vec<Step>,
    #[serde(flatten)]
    pub(super) figures: Figures,
    pub(super) examples: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl Run {
    /// Whether what it found may be the machine's doing.
    pub(super) fn is_starved(&self) -> bool {
        let behind_ms = self.figures.worst("behind_ms");
        !self.figures.is_clean() && behind_ms.is_some_and(|late| late >= STARVED_MS)
    }
}

impl Summary {
    /// Takes a run over. Whenever it ended, its place follows from its fault and its seed.
    pub(super) fn add(&mut self, run: &Run) -> Result<()> {
        let known = self
            .faults
            .iter()
            .position(|entry| entry.fault == run.fault);
        let at = known.unwrap_or_else(|| self.insert(run));
        let entry = &mut self.faults[at];
        entry.figures.merge(&run.figures);
        if !run.figures.is_clean() {
            entry.violated.push(serde_json::to_value(run)?);
            entry.violated.sort_by_key(|run| run["seed"].as_u64());
        }
        Ok(())
    }

    /// Makes an entry for its fault, and returns where.
    fn insert(&mut self, run: &Run) -> usize {
        let order: Vec<String> = fault::all().map(|about| about.fault.name()).collect();
        let place = |fault: &str| order.iter().position(|name| name == fault);
        let before = |entry: &Entry| place(&entry.fault) < place(&run.fault);
        let at = self.faults.partition_point(before);
        let entry = Entry {
            fault: run.fault.clone(),
            row: run.row.to_owned(),
            figures: Figures::default(),
            violated: Vec::new(),
        };
        self.faults.insert(at, entry);
        at
    }

    /// Of all runs.
    pub(super) fn together(&self) -> Figures {
        let mut together = Figures::default();
        for entry in &self.faults {
            together.merge(&entry.figures);
        }
        together
    }

    /// Whether everything that must be none is none, and every run took place.
    pub(super) fn is_clean(&self) -> bool {
        self.broken.is_empty() && self.starved.is_empty() && self.together().is_clean()
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        document::write(file, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}

/// However the rest is laid out: who compares two summaries sees which faults differ.
fn a_line_each<S: Serializer>(entries: &[Entry], serializer: S) -> Result<S::Ok, S::Error> {
    let lines = entries.iter().map(serde_json::value::to_raw_value);
    let lines: Vec<Box<RawValue>> = lines.collect::<Result<_, _>>().map_err(S::Error::custom)?;
    lines.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::ValueEnum as _;

    use super::{Run, Summary};
    use crate::chaos::{check::Violation, figures::Figures, render::for_terminal, world::Work};

    /// A run of `kill-api` that found this.
    fn run(violations: BTreeMap<Violation, u64>) -> Run {
        Run {
            fault: "kill-api".into(),
            row: "A1",
            seed: 1,
            work: Work::Simulate,
            schedule: Vec::new(),
            figures: Figures {
                runs: 1,
                violations,
                ..Figures::default()
            },
            examples: vec!["txn_1".into()],
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_a_starved_harness_finds_is_no_finding() {
        let mut run = run([(Violation::Stuck, 1)].into());
        run.figures.spread("behind_ms", 10.0);
        assert!(!run.is_starved());
        run.figures.spread("behind_ms", 5000.0);
        assert!(run.is_starved());
        run.figures.violations.clear();
        assert!(
            !run.is_starved(),
            "a clean run proves something however late it woke"
        );
    }

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
            let found = (stuck > 0).then_some((Violation::Stuck, stuck));
            let mut run = run(found.into_iter().collect());
            (run.fault, run.seed) = (fault.into(), seed);
            run.figures.count("requests", 10);
            run.figures.spread("recovered_in_s", seed as f64);
            summary.add(&run).unwrap();
        }
        let faults = summary.faults.iter();
        let names: Vec<&str> = faults.map(|entry| entry.fault.as_str()).collect();
        assert_eq!(
            names,
            ["none", "kill-api", "stop-api"],
            "the order of the list"
        );
        let Figures { runs, counts, .. } = &summary.faults[1].figures;
        assert_eq!((*runs, counts["requests"]), (3, 30));
        assert_eq!(summary.faults[1].figures.found(), [0, 5, 0, 0]);
        let recovered = &summary.faults[1].figures.spreads["recovered_in_s"];
        assert_eq!((recovered.median, recovered.worst), (2.0, 3.0));
        let violated = summary.faults[1].violated.iter();
        let violated: Vec<_> = violated
            .map(|run| (&run["seed"], &run["violations"]["stuck"]))
            .collect();
        assert_eq!(
            violated,
            [(&1.into(), &3.into()), (&3.into(), &2.into())],
            "by their seeds"
        );
        let none = &summary.faults[0];
        assert!(none.figures.is_clean() && none.violated.is_empty());

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
            summary.add(&run(violations)).unwrap();
            summary
        };
        assert!(of(BTreeMap::new()).is_clean());
        let mut broken = of(BTreeMap::new());
        broken.broken.push("no server".into());
        assert!(!broken.is_clean());
        let mut starved = of(BTreeMap::new());
        starved.starved.push("no time".into());
        assert!(!starved.is_clean());
        for violation in Violation::value_variants() {
            let summary = of([(*violation, 1)].into());
            assert!(!summary.is_clean(), "{violation:?}");
            let said = for_terminal(&summary);
            assert!(said.contains(&format!("{violation:?}: 1")), "{said}");
            assert!(said.contains("txn_1"), "{said}");
        }
    }
}

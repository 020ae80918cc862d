//! What came out: figures, targets and curves, as JSON for whoever comes later.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::{machine::Machine, median::median};

/// What a figure of processor time is called, before the name of the process.
pub(super) const PROCESSOR_TIME: &str = "processor time, ";

/// All results of one invocation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) command: String,
    pub(super) machine: Machine,
    /// The mode that makes figures now.
    #[serde(skip)]
    pub(super) mode: String,
    pub(super) figures: Vec<Figure>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) curves: Vec<Curve>,
}

/// One thing that was measured, once in each run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) mode: String,
    pub(super) what: String,
    pub(super) unit: String,
    pub(super) runs: Vec<f64>,
}

/// What a run tells beside the rate that it is made for: what, in which unit, and how much.
pub(super) type Measure = (String, &'static str, f64);

/// What was wanted, and what was reached.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) mode: String,
    pub(super) what: String,
    pub(super) reached: f64,
    pub(super) target: Target,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// A line of a plot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Curve {
    /// The plot that it belongs to.
    pub(super) plot: String,
    /// What is on the axes.
    pub(super) x: String,
    pub(super) y: String,
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Target {
    pub(super) fn is_met(self, reached: f64) -> bool {
        match self {
            Self::AtLeast(least) => reached >= least,
            Self::AtMost(most) => reached <= most,
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {}", number(*least)),
            Self::AtMost(most) => write!(f, "≤ {}", number(*most)),
        }
    }
}

impl Report {
    pub(super) fn new(command: String, machine: Machine) -> Self {
        Self {
            command,
            machine,
            mode: String::new(),
            figures: Vec::new(),
            verdicts: Vec::new(),
            curves: Vec::new(),
        }
    }

    /// Notes what each run gave; returns the median.
    pub(super) fn figure(&mut self, what: impl Into<String>, unit: &str, runs: Vec<f64>) -> f64 {
        let median = median(&runs);
        self.figures.push(Figure {
            mode: self.mode.clone(),
            what: what.into(),
            unit: unit.into(),
            runs,
        });
        median
    }

    /// Notes everything that runs of one kind have measured.
    pub(super) fn measures<'a>(
        &mut self,
        of: &str,
        runs: impl IntoIterator<Item = &'a Vec<Measure>>,
    ) {
        let runs: Vec<&Vec<Measure>> = runs.into_iter().collect();
        for (index, (what, unit, _)) in runs.first().into_iter().copied().flatten().enumerate() {
            let values = runs.iter().filter_map(|run| Some(run.get(index)?.2));
            self.figure(format!("{of}: {what}"), unit, values.collect());
        }
    }

    /// Notes a line of a plot with these axes.
    pub(super) fn curve(
        &mut self,
        plot: &str,
        (x, y): (&str, &str),
        name: impl Into<String>,
        points: Vec<(f64, f64)>,
    ) {
        self.curves.push(Curve {
            plot: plot.into(),
            x: x.into(),
            y: y.into(),
            name: name.into(),
            points,
        });
    }

    /// Notes what was wanted.
    pub(super) fn verdict(&mut self, what: impl Into<String>, reached: f64, target: Target) {
        self.verdicts.push(Verdict {
            mode: self.mode.clone(),
            what: what.into(),
            reached,
            target,
        });
    }
}

/// A value for each second, as points.
pub(super) fn points(per_second: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
    (0..).map(f64::from).zip(per_second).collect()
}

/// Three digits that mean something, thousands set apart.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let whole = text.split('.').next().unwrap_or_default().len();
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && index < whole && (whole - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short() {
        let shown = [0.456, 12.34, 1234567.8, 999.9].map(number);
        assert_eq!(shown, ["0.46", "12.3", "1,234,568", "1,000"]);
    }
}

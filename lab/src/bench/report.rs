//! What came out: a table for whoever waits, JSON for whoever comes later.

use std::fmt::{self, Display, Formatter, Write as _};

use serde::{Deserialize, Serialize};

use crate::{machine::Machine, median::median};

/// All results of one invocation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) command: String,
    pub(super) machine: Machine,
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
    pub(super) median: f64,
}

/// A target, and whether it is met.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) mode: String,
    pub(super) what: String,
    pub(super) reached: f64,
    pub(super) target: Target,
    pub(super) met: bool,
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
    fn is_met(self, reached: f64) -> bool {
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

impl Figure {
    /// The lowest and the highest of the runs.
    pub(super) fn range(&self) -> (f64, f64) {
        let runs = self.runs.iter().copied();
        runs.fold((f64::MAX, f64::MIN), |(low, high), run| {
            (low.min(run), high.max(run))
        })
    }
}

impl Report {
    pub(super) fn new(command: String, machine: Machine) -> Self {
        Self {
            command,
            machine,
            figures: Vec::new(),
            verdicts: Vec::new(),
            curves: Vec::new(),
        }
    }

    /// Notes what each run gave; returns the median.
    pub(super) fn figure(
        &mut self,
        mode: &str,
        what: impl Into<String>,
        unit: &str,
        runs: Vec<f64>,
    ) -> f64 {
        let median = median(&runs);
        self.figures.push(Figure {
            mode: mode.into(),
            what: what.into(),
            unit: unit.into(),
            runs,
            median,
        });
        median
    }

    /// Notes a line of a plot.
    pub(super) fn curve(
        &mut self,
        plot: &str,
        x: &str,
        y: &str,
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

    /// Notes whether a target is met.
    pub(super) fn verdict(
        &mut self,
        mode: &str,
        what: impl Into<String>,
        reached: f64,
        target: Target,
    ) {
        self.verdicts.push(Verdict {
            mode: mode.into(),
            what: what.into(),
            reached,
            target,
            met: target.is_met(reached),
        });
    }

    /// The tables for the terminal.
    pub(super) fn tables(&self) -> String {
        let figures = self.figures.iter().map(|figure| {
            let (low, high) = figure.range();
            [
                figure.mode.clone(),
                figure.what.clone(),
                format!("{} {}", number(figure.median), figure.unit),
                format!("{} – {}", number(low), number(high)),
            ]
        });
        let verdicts = self.verdicts.iter().map(|verdict| {
            let met = if verdict.met { "met" } else { "MISSED" };
            [
                verdict.mode.clone(),
                verdict.what.clone(),
                number(verdict.reached),
                format!("{}  {met}", verdict.target),
            ]
        });
        let mut text = table(["mode", "figure", "median", "lowest – highest"], figures);
        if !self.verdicts.is_empty() {
            text += "\n";
            text += &table(["mode", "target", "reached", "wanted"], verdicts);
        }
        text
    }
}

/// Counts per second as points.
pub(super) fn points(per_second: &[u64]) -> Vec<(f64, f64)> {
    let counts = per_second.iter().enumerate();
    counts
        .map(|(second, count)| (second as f64, *count as f64))
        .collect()
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

fn table(head: [&str; 4], rows: impl Iterator<Item = [String; 4]>) -> String {
    let rows: Vec<[String; 4]> = std::iter::once(head.map(str::to_owned))
        .chain(rows)
        .collect();
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let [mode, what, value, last] = widths;
    let mut text = String::new();
    for [a, b, c, d] in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{a:mode$}  {b:what$}  {c:>value$}  {d:>last$}");
    }
    text
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

//! What came out, for the terminal.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    report::Report,
    summary::{Entry, Summary},
};

/// The table for the terminal: one line per fault.
pub(super) fn table(report: &Report) -> Result<String> {
    let summary = Summary::of(report)?;
    let mut entries: Vec<&Entry> = summary.faults.iter().collect();
    entries.sort_by_key(|entry| (&entry.row, &entry.fault));
    let mut text = format!(
        "{:4} {:24} {:>4} {:>9} {:>6} {:>6} {:>11} {:>6} {:>10}\n",
        "row", "fault", "runs", "requests", "lost", "stuck", "duplicated", "other", "recovered"
    );
    for entry in entries {
        let Entry {
            fault,
            row,
            runs,
            requests,
            ..
        } = entry;
        let [lost, stuck, duplicated, other] = entry.found();
        let recovered = entry.recovered_in_s.map_or(0.0, |spread| spread.worst);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{row:4} {fault:24} {runs:>4} {requests:>9} {lost:>6} {stuck:>6} {duplicated:>11} {other:>6} {recovered:>8.1} s"
        );
    }
    for (fault, reason) in &report.skipped {
        let _ = writeln!(text, "skipped {fault}: {reason}");
    }
    for broken in &report.broken {
        let _ = writeln!(text, "BROKEN {broken}");
    }
    for starved in &report.starved {
        let _ = writeln!(text, "STARVED {starved}");
    }
    for run in report.runs.iter().filter(|run| !run.is_clean()) {
        let _ = writeln!(text, "VIOLATED {}", run.line());
        for example in &run.examples {
            let _ = writeln!(text, "    {example}");
        }
    }
    Ok(text)
}

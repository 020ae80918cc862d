//! The results in `docs/RELIABILITY.md`: the part between two markers is made from summaries, and from nothing else.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::summary::{Entry, Summary, sums};
use crate::document;

const DOCUMENT: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- results: written by `lab chaos --render` -->\n";
const END: &str = "<!-- end of results -->\n";

/// Writes what `summaries` say into the document.
pub(super) fn write(summaries: &[PathBuf]) -> Result<()> {
    let file = Path::new(DOCUMENT);
    let text = between(&document::read(file)?, &results(summaries)?);
    let text = text.with_context(|| format!("{DOCUMENT} lacks its markers"))?;
    document::write(file, &text)
}

/// A section for each of `summaries`.
fn results(summaries: &[PathBuf]) -> Result<String> {
    let sections = summaries.iter();
    sections
        .map(|file| Ok(section(&document::report(file)?)))
        .collect()
}

/// `document` with `results` between the markers.
fn between(document: &str, results: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{results}{END}{after}"))
}

fn section(summary: &Summary) -> String {
    let mut text = format!("`{}` on {}:\n\n", summary.command, summary.machine);
    text += "| row | faults | runs | requests | lost | stuck | duplicated | other | slowest recovery | which |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: | --- |\n";
    let faults: Vec<&Entry> = summary.faults.iter().collect();
    let rows = rows(&faults);
    for (row, entries) in &rows {
        let names: Vec<String> = entries.iter().map(|e| format!("`{}`", e.fault)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {row} | {} | {} |",
            cells(entries),
            names.join(", ")
        );
    }
    if rows.len() > 1 {
        let _ = writeln!(text, "| **all** | {} | |", cells(&faults));
    }
    let minutes = faults.iter().map(|entry| entry.took_s).sum::<f64>() / 60.0;
    let sum = |of: fn(&Entry) -> u64| faults.iter().map(|entry| of(entry)).sum::<u64>();
    let (transactions, restarts) = (sum(|entry| entry.rows), sum(|entry| entry.restarts));
    let _ = writeln!(
        text,
        "\n{transactions} transactions in {minutes:.0} minutes of runs; {restarts} restarts of processes.\n"
    );
    let repeated = faults.iter().filter_map(|entry| entry.repeated_calls);
    if let Some(repeated) = repeated.reduce(|one, other| one + other) {
        let _ = writeln!(
            text,
            "Calls that were not the first of their transaction: {repeated}.\n"
        );
    }
    let deaths = faults.iter().flat_map(|entry| entry.deaths.clone());
    let deaths = sums(deaths);
    if !deaths.is_empty() {
        let all: u64 = deaths.values().sum();
        let deaths = deaths.iter();
        let each: Vec<String> = deaths.map(|(point, n)| format!("`{point}` {n}")).collect();
        let _ = writeln!(text, "Deaths at failpoints: {all} ({}).\n", each.join(", "));
    }
    let runs: usize = faults.iter().map(|entry| entry.runs).sum();
    let ended = runs + summary.broken.len() + summary.starved.len();
    if ended < summary.planned {
        let _ = writeln!(text, "Cut short: {ended} of {} runs.\n", summary.planned);
    }
    for (name, reason) in &summary.skipped {
        let _ = writeln!(text, "Not injected: `{name}`: {reason}.\n");
    }
    for what in summary.broken.iter().chain(&summary.starved) {
        let _ = writeln!(text, "Not carried out: {what}.\n");
    }
    text
}

/// Faults by their row of the fault matrix, `A2` before `A10`.
fn rows<'a>(faults: &[&'a Entry]) -> Vec<(&'a str, Vec<&'a Entry>)> {
    let mut rows: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for entry in faults {
        let row = entry.row.as_str();
        let place = (row.chars().next(), row.len(), row);
        rows.entry(place).or_default().push(entry);
    }
    let rows = rows.into_iter();
    rows.map(|((_, _, row), entries)| (row, entries)).collect()
}

/// What these come to together.
fn cells(entries: &[&Entry]) -> String {
    let [lost, stuck, duplicated, other] =
        [0, 1, 2, 3].map(|at| entries.iter().map(|entry| entry.found()[at]).sum::<u64>());
    let recovery = entries.iter().filter_map(|entry| entry.recovered_in_s);
    let recovery = recovery.map(|spread| spread.worst).reduce(f64::max);
    let recovery = recovery.map_or("–".into(), |s| format!("{s:.1} s"));
    let runs: usize = entries.iter().map(|entry| entry.runs).sum();
    let requests: u64 = entries.iter().map(|entry| entry.requests).sum();
    format!(
        "{} | {runs} | {requests} | {lost} | {stuck} | {duplicated} | {other} | {recovery}",
        entries.len()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{BEGIN, END, Summary, between, results, section};
    use crate::document;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let written = between(&document, "new\n").unwrap();
        assert_eq!(written, format!("before\n{BEGIN}\nnew\n{END}after\n"));
        assert_eq!(between(&written, "new\n").unwrap(), written);
        assert_eq!(between("no markers", "new"), None);
    }

    /// To be mended with `lab chaos --render` and these files in this order.
    #[test]
    fn the_document_says_what_the_summaries_say() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let summaries = ["faults", "quarter", "soak"];
        let summaries = summaries.map(|name| docs.join(format!("reliability/{name}.json")));
        let document = document::read(&docs.join("RELIABILITY.md")).unwrap();
        let results = results(&summaries).unwrap();
        assert_eq!(between(&document, &results).unwrap(), document);
    }

    #[test]
    fn faults_of_a_row_are_a_line_and_all_of_them_the_last() {
        let entry = |fault: &str, row: &str, requests: u64, lost: u64, recovered: f64| {
            serde_json::json!({
                "fault": fault, "row": row, "runs": 2, "requests": requests, "accepted": 0, "rows": 7,
                "dead_letters": 0, "restarts": 2, "lost_leases": 0, "took_s": 60.0, "violated": [], "repeated_calls": 8,
                "violations": {"lost": lost, "panic": 4}, "deaths": {"consumer.at-work": 3},
                "recovered_in_s": {"median": 1.0, "worst": recovered},
            })
        };
        let summary: Summary = serde_json::from_value(serde_json::json!({
            "command": "lab chaos", "machine": {"processor": "P", "cores": 2, "memory_gib": 23.6, "kernel": "6", "hookline": "hookline 1"},
            "skipped": {"clock-jump": "no clock"}, "broken": [], "starved": [], "planned": 7,
            "faults": [
                entry("deadlocks", "B10", 1, 0, 3.0), entry("kill-api", "B2", 30, 1, 2.5), entry("stop-api", "B2", 5, 0, 9.0),
            ],
        }))
        .unwrap();
        let text = section(&summary);
        for part in [
            "| B2 | 2 | 4 | 35 | 1 | 0 | 0 | 8 | 9.0 s | `kill-api`, `stop-api` |\n\
             | B10 | 1 | 2 | 1 | 0 | 0 | 0 | 4 | 3.0 s | `deadlocks` |\n\
             | **all** | 3 | 6 | 36 | 1 | 0 | 0 | 12 | 9.0 s | |",
            "21 transactions in 3 minutes of runs; 6 restarts of processes.",
            "Calls that were not the first of their transaction: 24.",
            "Cut short: 6 of 7 runs",
            "`consumer.at-work` 9",
            "`clock-jump`: no clock",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

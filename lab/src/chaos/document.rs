//! The results in `docs/RELIABILITY.md`: the part between two markers is made from summaries, and from nothing else.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    slice,
};

use anyhow::{Context as _, Result};

use super::summary::{Entry, Summary, sums};
use crate::document;

const DOCUMENT: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- results: written by `lab chaos --render` -->\n";
const END: &str = "<!-- end of results -->\n";

/// Writes what `summaries` say into the document.
pub(super) fn write(summaries: &[PathBuf]) -> Result<()> {
    let mut results = String::new();
    for file in summaries {
        results += &section(&document::report(file)?);
    }
    let file = Path::new(DOCUMENT);
    let text = between(&document::read(file)?, &results);
    let text = text.with_context(|| format!("{DOCUMENT} lacks its markers"))?;
    document::write(file, &text)
}

/// `document` with `results` between the markers.
fn between(document: &str, results: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{results}{END}{after}"))
}

fn section(summary: &Summary) -> String {
    let mut text = format!("`{}` on {}:\n\n", summary.command, summary.machine);
    text += "| row | fault | runs | requests | lost | stuck | duplicated | other | restarts | repeated calls | slowest \
             recovery |\n| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n";
    let faults = &summary.faults;
    for entry in faults {
        let Entry { fault, row, .. } = entry;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {row} | `{fault}` | {} |",
            cells(slice::from_ref(entry))
        );
    }
    let _ = writeln!(text, "| | **all** | {} |\n", cells(faults));
    let minutes = faults.iter().map(|entry| entry.took_s).sum::<f64>() / 60.0;
    let rows: u64 = faults.iter().map(|entry| entry.rows).sum();
    let _ = writeln!(
        text,
        "{rows} transactions in {minutes:.0} minutes of runs. Lost, stuck, duplicated and other must be none.\n"
    );
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

/// What these come to together.
fn cells(entries: &[Entry]) -> String {
    let sum = |of: fn(&Entry) -> u64| entries.iter().map(of).sum::<u64>();
    let found = [0, 1, 2, 3].map(|at| entries.iter().map(|entry| entry.found()[at]).sum::<u64>());
    let [lost, stuck, duplicated, other] = found;
    let repeated = entries.iter().filter_map(|entry| entry.repeated_calls);
    let repeated = repeated.reduce(|one, other| one + other);
    let recovery = entries.iter().filter_map(|entry| entry.recovered_in_s);
    let recovery = recovery.map(|spread| spread.worst).reduce(f64::max);
    let (runs, requests) = (sum(|entry| entry.runs as u64), sum(|entry| entry.requests));
    let restarts = sum(|entry| entry.restarts);
    let repeated = repeated.map_or("–".into(), |count| count.to_string());
    let recovery = recovery.map_or("–".into(), |s| format!("{s:.1} s"));
    format!(
        "{runs} | {requests} | {lost} | {stuck} | {duplicated} | {other} | {restarts} | {repeated} | {recovery}"
    )
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Summary, between, section};

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let written = between(&document, "new\n").unwrap();
        assert_eq!(written, format!("before\n{BEGIN}\nnew\n{END}after\n"));
        assert_eq!(between(&written, "new\n").unwrap(), written);
        assert_eq!(between("no markers", "new"), None);
    }

    #[test]
    fn a_fault_is_a_row_and_all_of_them_the_last() {
        let entry = |fault: &str, requests: u64, lost: u64, recovered: f64| {
            serde_json::json!({
                "fault": fault, "row": "A1", "runs": 2, "requests": requests, "accepted": 0, "rows": 7,
                "dead_letters": 0, "restarts": 2, "lost_leases": 0, "took_s": 60.0, "violated": [],
                "violations": {"lost": lost, "panic": 4}, "deaths": {"consumer.at-work": 3},
                "recovered_in_s": {"median": 1.0, "worst": recovered},
            })
        };
        let summary: Summary = serde_json::from_value(serde_json::json!({
            "command": "lab chaos", "machine": {"processor": "P", "cores": 2, "memory_gib": 23.6, "kernel": "6", "hookline": "hookline 1"},
            "skipped": {"clock-jump": "no clock"}, "broken": [], "starved": [], "planned": 5,
            "faults": [entry("kill-api", 30, 1, 2.5), entry("stop-api", 5, 0, 9.0)],
        }))
        .unwrap();
        let text = section(&summary);
        for part in [
            "| A1 | `kill-api` | 2 | 30 | 1 | 0 | 0 | 4 | 2 | – | 2.5 s |\n| A1 | `stop-api` | 2 | 5 | 0 | 0 | 0 | 4 | 2 | – | 9.0 s |\n\
             | | **all** | 4 | 35 | 1 | 0 | 0 | 8 | 4 | – | 9.0 s |",
            "14 transactions in 2 minutes",
            "Cut short: 4 of 5 runs",
            "`consumer.at-work` 6",
            "`clock-jump`: no clock",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

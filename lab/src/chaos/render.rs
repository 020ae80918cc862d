//! The table of a summary: for the terminal, and for `docs/RELIABILITY.md`, where the part between two markers is made from
//! summaries and from nothing else.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    figures::Figures,
    summary::{Entry, Summary},
};
use crate::document;

const DOCUMENT: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- results: written by `lab chaos --render` -->\n";
const END: &str = "<!-- end of results -->\n";
const HEAD: [&str; 10] = [
    "row",
    "faults",
    "runs",
    "requests",
    "lost",
    "stuck",
    "duplicated",
    "other",
    "slowest recovery",
    "which",
];
const ALIGNMENT: [&str; 10] = [
    "---", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "--:", "---",
];

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

/// The same for the terminal: with examples of what was found.
pub(super) fn for_terminal(summary: &Summary) -> String {
    let mut text = section(summary);
    let entries = summary.faults.iter();
    for entry in entries.filter(|entry| !entry.figures.is_clean()) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "VIOLATED {}: {}", entry.fault, entry.figures);
        for run in &entry.violated {
            let _ = writeln!(text, "    seed {}: {:#}", run["seed"], run["examples"]);
        }
    }
    text
}

/// A section of the document: one line for the faults of each row of the fault matrix.
fn section(summary: &Summary) -> String {
    let groups = groups(&summary.faults);
    let mut lines: Vec<_> = groups
        .iter()
        .map(|(row, entries)| {
            let names: Vec<String> = entries.iter().map(|e| format!("`{}`", e.fault)).collect();
            line(row, entries.len(), &together(entries), names.join(", "))
        })
        .collect();
    if groups.len() > 1 {
        let (faults, all) = (summary.faults.len(), summary.together());
        lines.push(line("**all**", faults, &all, String::new()));
    }
    let table = document::table(HEAD, ALIGNMENT, lines).replace("|  |", "| |");
    let (command, machine) = (&summary.command, &summary.machine);
    format!("`{command}` on {machine}:\n\n{table}\n{}", remarks(summary))
}

/// Faults by their row of the fault matrix, `A2` before `A10`.
fn groups(faults: &[Entry]) -> Vec<(&str, Vec<&Entry>)> {
    let mut groups: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for entry in faults {
        let row = entry.row.as_str();
        let place = (row.chars().next(), row.len(), row);
        groups.entry(place).or_default().push(entry);
    }
    let groups = groups.into_iter();
    groups
        .map(|((_, _, row), entries)| (row, entries))
        .collect()
}

fn together(entries: &[&Entry]) -> Figures {
    let mut figures = Figures::default();
    for entry in entries {
        figures.merge(&entry.figures);
    }
    figures
}

fn line(row: &str, faults: usize, figures: &Figures, names: String) -> [String; 10] {
    let found = figures.found().map(|count| count.to_string());
    let [lost, stuck, duplicated, other] = found;
    let requests = figures.counts.get("requests").copied().unwrap_or(0);
    let recovery = figures.worst("recovered_in_s");
    let recovery = recovery.map_or("–".into(), |s| format!("{s:.1} s"));
    let [faults, runs, requests] =
        [faults as u64, figures.runs, requests].map(|count| count.to_string());
    [
        row.to_owned(),
        faults,
        runs,
        requests,
        lost,
        stuck,
        duplicated,
        other,
        recovery,
        names,
    ]
}

/// What is to be said below the table.
fn remarks(summary: &Summary) -> String {
    let together = summary.together();
    let minutes = together.took_s / 60.0;
    let count = |name| together.counts.get(name).copied();
    let mut text = format!(
        "{} transactions in {minutes:.0} minutes of runs; {} restarts of processes.\n\n",
        count("rows").unwrap_or(0),
        count("restarts").unwrap_or(0)
    );
    if let Some(repeated) = count("repeated_calls") {
        let _ = writeln!(
            text,
            "Calls that were not the first of their transaction: {repeated}.\n"
        );
    }
    let deaths = &together.deaths;
    if !deaths.is_empty() {
        let all: u64 = deaths.values().sum();
        let each = deaths.iter().map(|(point, n)| format!("`{point}` {n}"));
        let each: Vec<String> = each.collect();
        let _ = writeln!(text, "Deaths at failpoints: {all} ({}).\n", each.join(", "));
    }
    let ended = together.runs as usize + summary.broken.len() + summary.starved.len();
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
                "fault": fault, "row": row, "runs": 2, "took_s": 60.0, "violated": [],
                "counts": {"requests": requests, "rows": 7, "restarts": 2, "repeated_calls": 8},
                "violations": {"lost": lost, "panic": 4}, "deaths": {"consumer.at-work": 3},
                "spreads": {"recovered_in_s": {"median": 1.0, "worst": recovered}},
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

//! The table of a summary: for the terminal, and for `docs/RELIABILITY.md`, where the part between two markers is made from
//! summaries and from nothing else.

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
const HEAD: &str =
    "row fault runs requests lost stuck duplicated other restarts repeated_calls slowest_recovery";
/// Columns of words; numbers follow.
const WORDS: usize = 2;

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

/// The same for the terminal: in columns, and with examples of what was found.
pub(super) fn for_terminal(summary: &Summary) -> Result<String> {
    let rows = rows(summary);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            // Writing to a string cannot fail.
            let _ = match column < WORDS {
                true => write!(text, "{cell:width$}  "),
                false => write!(text, "{cell:>width$}  "),
            };
        }
        text += "\n";
    }
    text += "\n";
    text += &remarks(summary);
    for (entry, examples) in summary.violated() {
        let entry = entry?;
        let _ = writeln!(text, "VIOLATED {}: {entry}", entry.fault);
        for example in examples {
            let _ = writeln!(text, "    {example}");
        }
    }
    Ok(text)
}

fn section(summary: &Summary) -> String {
    let mut text = format!("`{}` on {}:\n\n", summary.command, summary.machine);
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |");
    for (number, row) in rows(summary).iter().enumerate() {
        text += &line(row);
        if number == 0 {
            let (words, numbers) = ("| --- ".repeat(WORDS), "| --: ".repeat(row.len() - WORDS));
            text += &format!("{words}{numbers}|\n");
        }
    }
    text += "\n";
    text + &remarks(summary)
}

/// The table: its head, a row for each fault, and one for all of them.
fn rows(summary: &Summary) -> Vec<Vec<String>> {
    let head = HEAD.split(' ').map(|name| name.replace('_', " "));
    let mut rows = vec![head.collect()];
    for entry in &summary.faults {
        let fault = format!("`{}`", entry.fault);
        rows.push(row(&entry.row, &fault, slice::from_ref(entry)));
    }
    rows.push(row("", "**all**", &summary.faults));
    rows
}

/// What these come to together.
fn row(row: &str, fault: &str, entries: &[Entry]) -> Vec<String> {
    let sum = |of: fn(&Entry) -> u64| entries.iter().map(of).sum::<u64>();
    let repeated = entries.iter().filter_map(|entry| entry.repeated_calls);
    let repeated = repeated.reduce(|one, other| one + other);
    let recovery = entries.iter().filter_map(|entry| entry.recovered_in_s);
    let recovery = recovery.map(|spread| spread.worst).reduce(f64::max);
    let counts = [
        sum(|entry| entry.runs as u64),
        sum(|entry| entry.requests),
        sum(|entry| entry.found()[0]),
        sum(|entry| entry.found()[1]),
        sum(|entry| entry.found()[2]),
        sum(|entry| entry.found()[3]),
        sum(|entry| entry.restarts),
    ];
    let mut cells = vec![row.to_owned(), fault.to_owned()];
    cells.extend(counts.map(|count| count.to_string()));
    cells.push(repeated.map_or("–".into(), |count| count.to_string()));
    cells.push(recovery.map_or("–".into(), |s| format!("{s:.1} s")));
    cells
}

/// What is to be said below the table.
fn remarks(summary: &Summary) -> String {
    let faults = &summary.faults;
    let minutes = faults.iter().map(|entry| entry.took_s).sum::<f64>() / 60.0;
    let rows: u64 = faults.iter().map(|entry| entry.rows).sum();
    let mut text = format!(
        "{rows} transactions in {minutes:.0} minutes of runs. Lost, stuck, duplicated and other must be none.\n\n"
    );
    let deaths = sums(faults.iter().flat_map(|entry| entry.deaths.clone()));
    if !deaths.is_empty() {
        let all: u64 = deaths.values().sum();
        let each = deaths.iter().map(|(point, n)| format!("`{point}` {n}"));
        let each: Vec<String> = each.collect();
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

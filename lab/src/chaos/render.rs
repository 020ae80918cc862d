//! The table of a summary: for the terminal, and for `docs/RELIABILITY.md`, where the part between two markers is made from
//! summaries and from nothing else.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{figures::Figures, summary::Summary};
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
pub(super) fn for_terminal(summary: &Summary) -> String {
    let rows = rows(summary);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            match column < WORDS {
                true => format!("{cell:width$}"),
                false => format!("{cell:>width$}"),
            }
        });
        text += &cells.collect::<Vec<_>>().join("  ");
        text += "\n";
    }
    text += "\n";
    text += &remarks(summary);
    for entry in summary
        .faults
        .iter()
        .filter(|entry| !entry.figures.is_clean())
    {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "VIOLATED {}: {}", entry.fault, entry.figures);
        for run in &entry.violated {
            let _ = writeln!(text, "    seed {}: {:#}", run["seed"], run["examples"]);
        }
    }
    text
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
        rows.push(row(
            &entry.row,
            &format!("`{}`", entry.fault),
            &entry.figures,
        ));
    }
    rows.push(row("", "**all**", &summary.together()));
    rows
}

fn row(row: &str, fault: &str, figures: &Figures) -> Vec<String> {
    let count = |name| figures.counts.get(name).map(u64::to_string);
    let [lost, stuck, duplicated, other] = figures.found().map(|count| Some(count.to_string()));
    let recovery = figures.worst("recovered_in_s");
    let cells = [
        Some(row.to_owned()),
        Some(fault.to_owned()),
        Some(figures.runs.to_string()),
        count("requests"),
        lost,
        stuck,
        duplicated,
        other,
        count("restarts"),
        count("repeated_calls"),
        recovery.map(|s| format!("{s:.1} s")),
    ];
    let cells = cells.into_iter().map(|cell| cell.unwrap_or("–".into()));
    cells.collect()
}

/// What is to be said below the table.
fn remarks(summary: &Summary) -> String {
    let together = summary.together();
    let minutes = together.took_s / 60.0;
    let rows = together.counts.get("rows").copied().unwrap_or(0);
    let mut text = format!(
        "{rows} transactions in {minutes:.0} minutes of runs. Lost, stuck, duplicated and other must be none.\n\n"
    );
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
                "fault": fault, "row": "A1", "runs": 2, "took_s": 60.0, "violated": [],
                "counts": {"requests": requests, "rows": 7, "restarts": 2},
                "violations": {"lost": lost, "panic": 4}, "deaths": {"consumer.at-work": 3},
                "spreads": {"recovered_in_s": {"median": 1.0, "worst": recovered}},
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

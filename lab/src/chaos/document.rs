//! The results in `docs/RELIABILITY.md`: the part between two markers is made from reports, and from nothing else.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::fault;
use crate::{document, machine::Machine};

const DOCUMENT: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- results: written by `lab chaos --render` -->\n";
const END: &str = "<!-- end of results -->\n";

/// What is told of a report.
#[derive(Deserialize)]
struct Report {
    command: String,
    machine: Machine,
    planned: usize,
    runs: Vec<Run>,
    skipped: BTreeMap<String, String>,
    broken: Vec<String>,
    #[serde(default)]
    starved: Vec<String>,
}

#[derive(Deserialize)]
struct Run {
    fault: String,
    row: String,
    requests: u64,
    rows: u64,
    violations: BTreeMap<String, u64>,
    recovered_in_s: Option<f64>,
    restarts: u64,
    repeated_calls: Option<u64>,
    #[serde(default)]
    deaths: BTreeMap<String, u64>,
    took_s: f64,
}

/// Writes what `reports` say into the document.
pub(super) fn write(reports: &[PathBuf]) -> Result<()> {
    let mut results = String::new();
    for file in reports {
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

fn section(report: &Report) -> String {
    let mut text = format!("`{}` on {}:\n\n", report.command, report.machine);
    text += "| row | fault | runs | requests | lost | stuck | duplicated | other | restarts | repeated calls | slowest \
             recovery |\n| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n";
    let mut all = Sums::default();
    for (name, row, runs) in grouped(report) {
        let sums = Sums::of(&runs);
        all.add(&sums);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {row} | `{name}` | {} |", sums.cells(runs.len()));
    }
    let _ = writeln!(text, "| | **all** | {} |\n", all.cells(report.runs.len()));
    let minutes = report.runs.iter().map(|run| run.took_s).sum::<f64>() / 60.0;
    let rows: u64 = report.runs.iter().map(|run| run.rows).sum();
    let _ = writeln!(
        text,
        "{rows} transactions in {minutes:.0} minutes of runs. Lost, stuck, duplicated and other must be none.\n"
    );
    let mut deaths: BTreeMap<&str, u64> = BTreeMap::new();
    for (point, count) in report.runs.iter().flat_map(|run| &run.deaths) {
        *deaths.entry(point).or_default() += count;
    }
    if !deaths.is_empty() {
        let all: u64 = deaths.values().sum();
        let deaths = deaths.iter();
        let each: Vec<String> = deaths.map(|(point, n)| format!("`{point}` {n}")).collect();
        let _ = writeln!(text, "Deaths at failpoints: {all} ({}).\n", each.join(", "));
    }
    let ended = report.runs.len() + report.broken.len() + report.starved.len();
    if ended < report.planned {
        let _ = writeln!(text, "Cut short: {ended} of {} runs.\n", report.planned);
    }
    for (name, reason) in &report.skipped {
        let _ = writeln!(text, "Not injected: `{name}`: {reason}.\n");
    }
    for what in report.broken.iter().chain(&report.starved) {
        let _ = writeln!(text, "Not carried out: {what}.\n");
    }
    text
}

/// The runs of each fault, in the order of `--list`.
fn grouped(report: &Report) -> Vec<(&str, &str, Vec<&Run>)> {
    let order: Vec<String> = fault::all().map(|about| about.fault.name()).collect();
    let place = |name: &str| order.iter().position(|known| known == name);
    let mut groups: BTreeMap<(Option<usize>, &str), Vec<&Run>> = BTreeMap::new();
    for run in &report.runs {
        let key = (place(&run.fault), run.fault.as_str());
        groups.entry(key).or_default().push(run);
    }
    let groups = groups.into_iter();
    groups
        .map(|((_, name), runs)| (name, runs.first().map_or("", |run| run.row.as_str()), runs))
        .collect()
}

#[derive(Default)]
struct Sums {
    requests: u64,
    lost: u64,
    stuck: u64,
    duplicated: u64,
    other: u64,
    restarts: u64,
    repeated: Option<u64>,
    recovery: Option<f64>,
}

impl Sums {
    fn of(runs: &[&Run]) -> Self {
        let mut sums = Self::default();
        for run in runs {
            let count = |name: &str| run.violations.get(name).copied().unwrap_or(0);
            let named = ["lost", "stuck", "duplicated"].map(count);
            let all: u64 = run.violations.values().sum();
            sums.add(&Self {
                requests: run.requests,
                lost: named[0],
                stuck: named[1],
                duplicated: named[2],
                other: all - named.iter().sum::<u64>(),
                restarts: run.restarts,
                repeated: run.repeated_calls,
                recovery: run.recovered_in_s,
            });
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.lost += other.lost;
        self.stuck += other.stuck;
        self.duplicated += other.duplicated;
        self.other += other.other;
        self.restarts += other.restarts;
        if let Some(repeated) = other.repeated {
            *self.repeated.get_or_insert_default() += repeated;
        }
        if let Some(recovery) = other.recovery {
            let most = self.recovery.get_or_insert_default();
            *most = most.max(recovery);
        }
    }

    fn cells(&self, runs: usize) -> String {
        let Self {
            requests,
            lost,
            stuck,
            duplicated,
            other,
            restarts,
            ..
        } = self;
        let repeated = self.repeated.map_or("–".into(), |count| count.to_string());
        let recovery = self.recovery.map_or("–".into(), |s| format!("{s:.1} s"));
        format!(
            "{runs} | {requests} | {lost} | {stuck} | {duplicated} | {other} | {restarts} | {repeated} | {recovery}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Report, between, section};

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let document = format!("before\n{BEGIN}old\n{END}after\n");
        let written = between(&document, "new\n").unwrap();
        assert_eq!(written, format!("before\n{BEGIN}\nnew\n{END}after\n"));
        assert_eq!(between(&written, "new\n").unwrap(), written);
        assert_eq!(between("no markers", "new"), None);
    }

    #[test]
    fn the_runs_of_one_fault_are_one_row_in_the_order_of_the_list() {
        let run = |fault: &str, requests: u64, lost: u64, recovered: f64| {
            serde_json::json!({
                "fault": fault, "row": "A1", "requests": requests, "rows": 7, "restarts": 1, "took_s": 60.0,
                "violations": {"lost": lost, "panic": 2}, "recovered_in_s": recovered, "repeated_calls": null,
                "deaths": {"consumer.at-work": 3},
            })
        };
        let report: Report = serde_json::from_value(serde_json::json!({
            "command": "lab chaos", "machine": {"processor": "P", "cores": 2, "memory_gib": 23.6, "kernel": "6", "hookline": "hookline 1"},
            "skipped": {"clock-jump": "no clock"}, "broken": [], "planned": 4,
            "runs": [run("stop-api", 5, 0, 9.0), run("kill-api", 10, 1, 1.0), run("kill-api", 20, 0, 2.5)],
        }))
        .unwrap();
        let text = section(&report);
        let kill = text.find("| A1 | `kill-api` | 2 | 30 | 1 | 0 | 0 | 4 | 2 | – | 2.5 s |");
        let stop = text.find("| A1 | `stop-api` | 1 | 5 | 0 | 0 | 0 | 2 | 1 | – | 9.0 s |");
        assert!(kill.unwrap() < stop.unwrap(), "{text}");
        assert!(text.contains("Cut short: 3 of 4 runs"), "{text}");
        assert!(text.contains("`consumer.at-work` 9"), "{text}");
        assert!(text.contains("`clock-jump`: no clock"), "{text}");
    }
}

//! The figures in `docs/BENCHMARKS.md`: what is between its markers is made from the reports in `docs/benchmarks/`, and
//! from nothing else.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{
    plot,
    report::{Figure, PROCESSOR_TIME, Report, number},
};
use crate::{document, median::median};

/// A marker names the report that follows it.
const BEGIN: (&str, &str) = ("<!-- bench: ", " -->\n");
const END: &str = "<!-- end of bench -->\n";
/// In place of a report's name: every target.
const TARGETS: &str = "targets";

/// Reports by name, in the order of the document.
type Reports = Vec<(String, Report)>;

/// Fills the document in the folder `docs`, and draws the plots beside the reports.
pub(super) fn write(docs: &Path) -> Result<()> {
    let file = docs.join("BENCHMARKS.md");
    let text = document::read(&file)?;
    let reports = reports(&text, docs)?;
    for (name, report) in &reports {
        let shown = |plot: &str| text.contains(&format!("(benchmarks/{name}/{plot}.svg)"));
        plot::write(&report.curves, &docs.join("benchmarks").join(name), shown)?;
    }
    document::write(&file, &filled(&text, &reports)?)
}

/// The reports that the document's markers name.
fn reports(document: &str, docs: &Path) -> Result<Reports> {
    let markers = document.split(BEGIN.0).skip(1);
    let names = markers.filter_map(|rest| Some(rest.split_once(BEGIN.1)?.0));
    let reports = names.filter(|name| *name != TARGETS).map(|name| {
        let file = docs.join("benchmarks").join(name).with_extension("json");
        Ok((name.to_owned(), document::report(&file)?))
    });
    reports.collect()
}

/// The document with what the reports say between its markers.
fn filled(document: &str, reports: &Reports) -> Result<String> {
    let mut text = String::new();
    let mut rest = document;
    while let Some((before, after)) = rest.split_once(BEGIN.0) {
        let (name, after) = after.split_once(BEGIN.1).context("a marker breaks off")?;
        let found = reports.iter().find(|(known, _)| known == name);
        let content = match found {
            _ if name == TARGETS => targets(reports.iter().map(|(name, report)| (&**name, report))),
            Some((_, report)) => section(report),
            None => bail!("there is no report {name}"),
        };
        let end = after.split_once(END);
        let (_, after) = end.with_context(|| format!("the part on {name} has no end"))?;
        text += &format!("{before}{}{name}{}\n{content}\n{END}", BEGIN.0, BEGIN.1);
        rest = after;
    }
    Ok(text + rest)
}

/// Every target of these reports. One that has a name is referred to.
pub(super) fn targets<'a>(reports: impl IntoIterator<Item = (&'a str, &'a Report)>) -> String {
    let rows = reports.into_iter().flat_map(|(name, report)| {
        report.verdicts.iter().map(move |verdict| {
            let met = verdict.target.is_met(verdict.reached);
            [
                match name {
                    "" => verdict.mode.clone(),
                    _ => format!("[{name}](benchmarks/{name}.json)"),
                },
                verdict.what.clone(),
                number(verdict.reached),
                verdict.target.to_string(),
                if met { "met" } else { "**missed**" }.to_owned(),
            ]
        })
    });
    let head = ["mode", "what", "reached", "target", ""];
    document::table(head, ["---", "---", "--:", "--:", "---"], rows)
}

/// Every figure of a report.
pub(super) fn section(report: &Report) -> String {
    let is_time = |figure: &&Figure| figure.what.contains(PROCESSOR_TIME);
    let (times, figures): (Vec<&Figure>, Vec<&Figure>) = report.figures.iter().partition(is_time);
    let rows = figures.iter().map(|figure| {
        let runs = || figure.runs.iter().copied();
        let (lowest, highest) = (
            runs().fold(f64::MAX, f64::min),
            runs().fold(f64::MIN, f64::max),
        );
        [
            figure.what.clone(),
            format!("{} {}", number(median(&figure.runs)), figure.unit),
            format!("{} – {}", number(lowest), number(highest)),
            figure.runs.len().to_string(),
        ]
    });
    let head = ["", "median", "lowest – highest", "runs"];
    let table = document::table(head, ["---", "--:", "--:", "--:"], rows);
    format!(
        "`{}` on {}:\n\n{table}{}",
        report.command,
        report.machine,
        processor_times(&times)
    )
}

/// A line for whatever was measured, with the time of each process.
fn processor_times(figures: &[&Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut text = "\nProcessor time per webhook, in µs:\n".to_owned();
    let mut last = "";
    for figure in figures {
        let (what, process) = figure.what.split_once(PROCESSOR_TIME).unwrap_or_default();
        let before = match what == last {
            true => ",".to_owned(),
            false => format!("\n- {}", what.trim_end()),
        };
        text += &format!("{before} {process} {}", number(median(&figure.runs)));
        last = what;
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{filled, reports};
    use crate::document::read;

    /// Every figure in the document is one of a report's: to be mended with `lab bench --render`.
    #[test]
    fn the_document_says_what_the_reports_say() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let document = read(&docs.join("BENCHMARKS.md")).unwrap();
        let reports = reports(&document, &docs).unwrap();
        assert!(!reports.is_empty(), "no markers");
        assert_eq!(filled(&document, &reports).unwrap(), document);
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let report = serde_json::json!({
            "command": "lab bench ingest",
            "machine": {"processor": "P", "cores": 2, "memory_gib": 23.6, "kernel": "6", "hookline": "hookline 1"},
            "figures": [
                {"mode": "ingest", "what": "ours: 202s", "unit": "webhooks/s", "runs": [1000.0, 3000.0], "median": 2000.0},
                {"mode": "ingest", "what": "ours: processor time, api", "unit": "µs/webhook", "runs": [4.5], "median": 4.5},
                {"mode": "ingest", "what": "ours: processor time, lab", "unit": "µs/webhook", "runs": [1.5], "median": 1.5},
            ],
            "verdicts": [
                {"mode": "ingest", "what": "ours : theirs", "reached": 0.5, "target": {"at_least": 0.6}, "met": false},
            ],
            "curves": [],
        });
        let reports = vec![("one".to_owned(), serde_json::from_value(report).unwrap())];
        let document = "a\n<!-- bench: targets -->\nold\n<!-- end of bench -->\nb\n<!-- bench: one -->\n<!-- end of bench -->\nc\n";
        let text = filled(document, &reports).unwrap();
        let targets = "| [one](benchmarks/one.json) | ours : theirs | 0.50 | ≥ 0.60 | **missed** |";
        let figure = "| ours: 202s | 2,000 webhooks/s | 1,000 – 3,000 | 2 |";
        let processor = "- ours: api 4.50, lab 1.50\n";
        for line in [
            "`lab bench ingest` on 2 cores (P)",
            targets,
            figure,
            processor,
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(text.starts_with("a\n") && text.ends_with("c\n") && !text.contains("old"));
        assert_eq!(filled(&text, &reports).unwrap(), text);
        assert!(filled("<!-- bench: other -->\n<!-- end of bench -->\n", &reports).is_err());
    }
}

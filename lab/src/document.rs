//! The documents whose results are made from reports: the part between two markers, and from nothing else.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

/// A document, or a report as text.
pub(crate) fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// A report that was written as JSON.
pub(crate) fn report<R: DeserializeOwned>(file: &Path) -> Result<R> {
    let report = serde_json::from_str(&read(file)?);
    report.with_context(|| format!("{} is no report", file.display()))
}

pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A table in Markdown; `alignment` is the line below its head.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    alignment: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows = rows.into_iter().map(|row| row.join(" | "));
    let lines = [head.join(" | "), alignment.join(" | ")].into_iter();
    lines
        .chain(rows)
        .map(|line| format!("| {line} |\n"))
        .collect()
}

/// The command line for a report: the program's name, and no folder, for that is nobody's business.
pub(crate) fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = |argument: &String| match Path::new(argument).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => argument.clone(),
    };
    let arguments: Vec<String> = arguments.iter().map(name).collect();
    format!("lab {}", arguments.join(" "))
}

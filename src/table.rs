//! Rows as people read them, and as machines do.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::output;

/// How lists are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For machines
    Json,
}

/// A row: what stands under each heading, and for machines.
pub struct Row {
    pub cells: Vec<String>,
    pub json: Value,
}

/// Prints rows under their headings.
pub fn print(headings: &[&str], rows: &[Row], output: Output) -> anyhow::Result<()> {
    output::print(&match output {
        Output::Table => table(headings, rows.iter().map(|row| row.cells.as_slice())),
        Output::Json => {
            let rows = rows.iter().map(|row| row.json.clone());
            json(&Value::Array(rows.collect()))?
        }
    })
}

/// A JSON document. What a terminal could take for a command is written as an escape: it can only stand inside texts.
pub fn json(document: &impl Serialize) -> anyhow::Result<String> {
    Ok(escaped(serde_json::to_string_pretty(document)?))
}

/// The same on one line.
pub fn json_line(document: &impl Serialize) -> anyhow::Result<String> {
    Ok(escaped(serde_json::to_string(document)?))
}

fn escaped(json: String) -> String {
    if !json.chars().any(is_unprintable) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match is_unprintable(c) && c != '\n' {
            true => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                escaped.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
            false => escaped.push(c),
        }
    }
    escaped
}

/// A text as a terminal may show it: what would move the cursor, change colours or turn the line's direction is escaped.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unprintable(c) {
            true => printable.extend(c.escape_unicode()),
            false => printable.push(c),
        }
    }
    printable
}

/// Control characters, line separators, and what changes the direction of writing (Unicode's `Bidi_Control`).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
}

/// The members of an object, in this order.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(Map::from_iter(members))
}

/// Cells under their headings.
pub fn table<'a>(headings: &[&str], rows: impl Iterator<Item = &'a [String]>) -> String {
    let first = headings.iter().map(|heading| heading.to_string());
    let rows = rows.map(|cells| cells.iter().map(|cell| printable(cell)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(first.collect()).chain(rows).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let lines = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: [&str; 3]| Row {
            cells: cells.map(str::to_owned).into(),
            json: Value::Null,
        };
        let rows = [row(["a", "", "c"]), row(["\u{e4}\u{e4}\u{e4}", "b", ""])];
        assert_eq!(
            table(
                &["x", "yy", "z"],
                rows.iter().map(|row| row.cells.as_slice())
            ),
            "x    yy  z\na        c\n\u{e4}\u{e4}\u{e4}  b"
        );
    }

    #[test]
    fn a_terminal_gets_no_commands_and_json_keeps_its_texts() {
        let text = "a\u{1b}[2J\u{9b}31m\u{202e}b\nc\u{7f}\u{e4}";
        let cells = [text.to_owned()];
        let shown = table(&["x"], [cells.as_slice()].into_iter());
        assert_eq!(
            shown,
            "x\na\\u{1b}[2J\\u{9b}31m\\u{202e}b\\u{a}c\\u{7f}\u{e4}"
        );
        let shown = json(&[text]).unwrap();
        assert_eq!(
            shown,
            "[\n  \"a\\u001b[2J\\u009b31m\\u202eb\\nc\\u007f\u{e4}\"\n]"
        );
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [text]);
    }
}

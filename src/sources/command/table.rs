//! Rows as people read them, and as machines do.

use clap::ValueEnum;
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
        Output::Table => table(headings, rows),
        Output::Json => {
            let rows = rows.iter().map(|row| row.json.clone());
            format!("{:#}", Value::Array(rows.collect()))
        }
    })
}

/// The members of an object, in this order.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(Map::from_iter(members))
}

fn table(headings: &[&str], rows: &[Row]) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| heading.to_string()).collect();
    let cells = rows.iter().map(|row| &row.cells);
    let lines: Vec<&Vec<String>> = std::iter::once(&headings).chain(cells).collect();
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
            table(&["x", "yy", "z"], &rows),
            "x    yy  z\na        c\n\u{e4}\u{e4}\u{e4}  b"
        );
    }
}

//! `hookline sources presets`.

use serde_json::Value;
use source::Description;

use crate::table::{self, Output, Row, object};

pub fn run(output: Output) -> anyhow::Result<()> {
    let presets: Vec<Description> = source::descriptions().collect();
    let rows = presets.iter().flat_map(|preset| match output {
        Output::Table => rows(preset),
        Output::Json => vec![row(preset)],
    });
    let rows: Vec<Row> = rows.collect();
    let headings = ["PRESET", "HEADER", "PROOF", "SIGNED", "ANSWER", "ID"];
    table::print(&headings, &rows, output)
}

/// A preset, and below it its other names.
fn rows(preset: &Description) -> Vec<Row> {
    let own = row(preset);
    let others = preset.names.iter().skip(1).map(|name| Row {
        cells: vec![
            (*name).to_owned(),
            format!("as {}", preset.names.first().copied().unwrap_or_default()),
        ],
        json: Value::Null,
    });
    let others: Vec<Row> = others.collect();
    [own].into_iter().chain(others).collect()
}

fn row(preset: &Description) -> Row {
    let Description {
        names,
        place,
        proof,
        signed,
        id,
        status,
        body,
    } = preset;
    let name = names.first().copied().unwrap_or_default();
    let cells = vec![
        name.to_owned(),
        place.clone(),
        proof.clone(),
        signed.clone(),
        format!("{status} {body}").trim_end().to_owned(),
        id.clone(),
    ];
    let json = object([
        ("preset", name.into()),
        ("other_names", names.get(1..).unwrap_or_default().into()),
        ("header", place.as_str().into()),
        ("proof", proof.as_str().into()),
        ("signed", signed.as_str().into()),
        ("id", id.as_str().into()),
        ("answer", (*status).into()),
        ("answer_body", body.as_str().into()),
    ]);
    Row { cells, json }
}

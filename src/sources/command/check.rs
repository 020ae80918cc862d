//! `hookline sources check`.

use anyhow::bail;
use serde_json::Value;

use crate::table::{self, Output, Row, object};
use crate::{
    output,
    reread::{Faults, Files},
    sources::{
        assembly::Given,
        build::{Built, Shown, Warning},
        declaration::Declaration,
        name::path,
    },
};

const NONE: &str =
    "no source is configured: SOURCE_STRIPE_SECRET=whsec_… gives the first one, SOURCES_FILE any";

pub fn run(given: &Given, format: Output) -> anyhow::Result<()> {
    let (mut files, mut faults) = (Files::default(), Faults::new());
    let declarations = given.declarations(&mut files, &mut faults);
    let declarations = declarations.map_err(anyhow::Error::msg)?;
    if declarations.is_empty() && format == Output::Table {
        return output::print(NONE);
    }
    let built = given.build(&declarations, &mut files, &mut faults);
    let rows = built.iter().map(|(declaration, built)| match built {
        Ok(built) => good(built),
        Err(sentence) => bad(declaration, sentence),
    });
    let rows: Vec<Row> = rows.collect();
    let headings = ["SOURCE", "PRESET", "PATH", "SECRETS", "ANSWER", "SELF-TEST"];
    table::print(&headings, &rows, format)?;
    let good = built.iter().filter_map(|(_, built)| built.as_ref().ok());
    good.flat_map(|built| &built.warnings)
        .for_each(Warning::log);
    let mut faults = built.iter().filter_map(|(_, built)| built.as_ref().err());
    match (faults.next(), faults.count()) {
        (None, _) => Ok(()),
        (Some(first), 0) => bail!("{first}"),
        (Some(first), more) => bail!("{first} (and {more} more of {} sources)", rows.len()),
    }
}

fn good(built: &Built) -> Row {
    let Built {
        sender,
        preset,
        secrets,
        test,
        ..
    } = built;
    let (path, answer) = (path(&sender.name), sender.source.answer().status);
    let cells = vec![
        sender.name.clone(),
        preset.clone().unwrap_or_else(|| "-".into()),
        path.clone(),
        shown(secrets),
        answer.to_string(),
        test.to_string(),
    ];
    let secrets = secrets.iter().map(|secret| {
        object([
            ("bytes", secret.bytes.into()),
            ("sha256", secret.fingerprint.as_str().into()),
        ])
    });
    let json = object([
        ("source", sender.name.as_str().into()),
        ("preset", preset.as_deref().into()),
        ("path", path.into()),
        ("secrets", secrets.collect()),
        ("answer", answer.into()),
        ("self_test", test.to_string().into()),
    ]);
    Row { cells, json }
}

/// `2: 38 bytes a1b2, 38 bytes c3d4`: the digits are the first of each secret's SHA-256.
fn shown(secrets: &[Shown]) -> String {
    let each = secrets
        .iter()
        .map(|secret| format!("{} bytes {}", secret.bytes, secret.fingerprint));
    let each: Vec<_> = each.collect();
    match each.is_empty() {
        true => "0".into(),
        false => format!("{}: {}", each.len(), each.join(", ")),
    }
}

fn bad(declaration: &Declaration, sentence: &str) -> Row {
    let (name, path) = (&declaration.name, path(&declaration.name));
    let preset = declaration.settings.preset.as_deref();
    // One that is none may be a secret in the wrong place.
    let preset =
        preset.filter(|name| source::descriptions().any(|preset| preset.names.contains(name)));
    let unknown = || "-".to_owned();
    let cells = vec![
        name.clone(),
        preset.map_or_else(unknown, str::to_owned),
        path.clone(),
        unknown(),
        unknown(),
        "not possible: see below".into(),
    ];
    let json = object([
        ("source", name.as_str().into()),
        ("preset", preset.into()),
        ("path", path.into()),
        ("secrets", Value::Null),
        ("answer", Value::Null),
        ("self_test", Value::Null),
        ("fault", sentence.into()),
    ]);
    Row { cells, json }
}

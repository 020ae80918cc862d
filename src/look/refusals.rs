//! `hookline refusals`.

use anyhow::Context as _;
use api::{
    Refusal,
    refusals::{load, read},
};
use clap::Args;
use sea_orm::DatabaseConnection;

use super::times;
use crate::{
    config::BadSetting,
    logging, output,
    table::{self, Output},
};

const HEADINGS: [&str; 6] = ["REFUSED", "SOURCE", "REASON", "SKEW", "BYTES", "SHA-256"];

#[derive(Args)]
pub struct Arguments {
    /// The source's name
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Where the list before ended, as it said itself
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let wanted = read(arguments.source.as_deref(), arguments.cursor.as_deref());
    let wanted = wanted.map_err(|errors| {
        let errors = errors.iter();
        let errors = errors.map(|error| format!("--{} {}", error.field, error.reason));
        BadSetting(errors.collect::<Vec<_>>().join("; "))
    })?;
    let page = load(db, &wanted).await;
    let page = page.context("DATABASE_URL: the ledger of refusals could not be read")?;
    match arguments.output {
        Output::Json => output::print(&table::json(&page)?)?,
        Output::Table if page.data.is_empty() => {}
        Output::Table => {
            let rows: Vec<Vec<String>> = page.data.iter().map(cells).collect();
            output::print(&table::table(&HEADINGS, rows.iter().map(Vec::as_slice)))?;
        }
    }
    match (page.next_cursor, page.data.is_empty()) {
        (Some(cursor), true) => logging::say(&format!(
            "nothing found so far; to look further back, add --cursor {cursor}"
        )),
        (Some(cursor), false) => logging::say(&format!(
            "there may be more; to see it, add --cursor {cursor}"
        )),
        (None, true) => logging::say("nothing was refused"),
        (None, false) => {}
    }
    Ok(())
}

fn cells(refusal: &Refusal) -> Vec<String> {
    let skew = refusal.skew_s.map(|skew| format!("{skew}s"));
    // Enough of it to tell bodies apart.
    let hash = refusal.sha256.get(..12).unwrap_or_default();
    vec![
        times::told(refusal.refused_at),
        refusal.source.clone(),
        refusal.reason.clone(),
        skew.unwrap_or_default(),
        refusal.size.to_string(),
        hash.to_owned(),
    ]
}

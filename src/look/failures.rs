//! `hookline failures`.

use anyhow::Context as _;
use api::{
    FailureGroup,
    failures::{Wanted, load},
};
use clap::Args;
use entity::SourceName;
use sea_orm::DatabaseConnection;
use time::OffsetDateTime;

use super::times;
use crate::{
    logging, output,
    table::{self, Output},
};

/// Failures that one command looks at.
const LOOKED_AT_MAX: usize = 100_000;

const HEADINGS: [&str; 8] = [
    "COUNT", "SOURCE", "VERDICT", "STATUS", "ERROR", "FIRST", "LAST", "SAMPLE",
];

#[derive(Args)]
pub struct Arguments {
    /// Failed then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "SINCE", value_parser = times::ago_or_at)]
    since: Option<OffsetDateTime>,
    /// The source's name; transactions is the built-in one
    #[arg(long, value_name = "SOURCE")]
    source: Option<SourceName>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let wanted = Wanted {
        since: arguments.since,
        source: arguments.source.clone(),
    };
    let groups = load(db, &wanted, LOOKED_AT_MAX).await;
    let groups = groups.context("DATABASE_URL: the failures could not be read")?;
    match arguments.output {
        Output::Json => output::print(&table::json(&groups)?)?,
        Output::Table if groups.data.is_empty() => logging::say("nothing has failed"),
        Output::Table => {
            let rows: Vec<Vec<String>> = groups.data.iter().map(cells).collect();
            output::print(&table::table(&HEADINGS, rows.iter().map(Vec::as_slice)))?;
        }
    }
    if groups.more {
        logging::say(&format!(
            "these are of the {LOOKED_AT_MAX} failed transactions that were received last"
        ));
    }
    Ok(())
}

fn cells(group: &FailureGroup) -> Vec<String> {
    let status = group.status.map(|status| status.to_string());
    vec![
        group.count.to_string(),
        group.source.clone().unwrap_or_default(),
        group.verdict.clone(),
        status.unwrap_or_default(),
        group.error.clone(),
        times::told(group.first),
        times::told(group.last),
        group.sample.clone().unwrap_or_default(),
    ]
}

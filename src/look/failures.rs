//! `hookline failures`.

use anyhow::Context as _;
use clap::Args;
use entity::lifecycle::{
    Range,
    failed::{PORTION, failed},
};
use sea_orm::DatabaseConnection;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    groups::{Group, Groups},
    times,
};
use crate::{
    logging, output,
    table::{self, Output},
};

/// Portions that one command reads: 100,000 failures.
const PORTIONS_MAX: usize = 20;

const HEADINGS: [&str; 8] = [
    "COUNT", "SOURCE", "VERDICT", "STATUS", "ERROR", "FIRST", "LAST", "SAMPLE",
];

#[derive(Args)]
pub struct Arguments {
    /// Failed then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "SINCE", value_parser = times::ago_or_at)]
    since: Option<OffsetDateTime>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

#[derive(Serialize)]
struct Document<'a> {
    data: Vec<Row<'a>>,
    /// Whether older ones have not been looked at.
    more: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    source: Option<&'a str>,
    verdict: &'static str,
    status: Option<i32>,
    error: &'a str,
    count: u64,
    #[serde(with = "time::serde::rfc3339")]
    first: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last: OffsetDateTime,
    sample: Option<&'a str>,
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let (groups, more) = gathered(db, arguments.since).await?;
    match arguments.output {
        Output::Json => {
            let data = groups.iter().map(row).collect();
            output::print(&table::json(&Document { data, more })?)?;
        }
        Output::Table if groups.is_empty() => logging::say("nothing has failed"),
        Output::Table => {
            let rows: Vec<Vec<String>> = groups.iter().map(cells).collect();
            output::print(&table::table(&HEADINGS, rows.iter().map(Vec::as_slice)))?;
        }
    }
    if more {
        let looked_at = PORTIONS_MAX * PORTION;
        logging::say(&format!(
            "these are of the {looked_at} failed transactions that were received last"
        ));
    }
    Ok(())
}

/// The groups, and whether there are older failures that have not been looked at.
async fn gathered(
    db: &DatabaseConnection,
    since: Option<OffsetDateTime>,
) -> anyhow::Result<(Vec<Group>, bool)> {
    let mut groups = Groups::default();
    let mut range = Range {
        from: Uuid::nil(),
        to: Uuid::max(),
    };
    for _ in 0..PORTIONS_MAX {
        let portion = failed(db, range).await;
        let portion = portion.context("DATABASE_URL: the failures could not be read")?;
        let last = portion.last().map(|failed| failed.id);
        let is_full = portion.len() == PORTION;
        let wanted = portion.into_iter();
        wanted
            .filter(|failed| since.is_none_or(|since| failed.failed_at >= since))
            .for_each(|failed| groups.add(failed));
        match last {
            Some(last) if is_full => range.to = last,
            _ => return Ok((groups.sorted(), false)),
        }
    }
    Ok((groups.sorted(), true))
}

fn row(group: &Group) -> Row<'_> {
    Row {
        source: group.kind.source.as_deref(),
        verdict: group.kind.verdict,
        status: group.kind.status,
        error: &group.kind.error,
        count: group.count,
        first: group.first,
        last: group.last,
        sample: group.sample.as_deref(),
    }
}

fn cells(group: &Group) -> Vec<String> {
    let status = group.kind.status.map(|status| status.to_string());
    vec![
        group.count.to_string(),
        group.kind.source.clone().unwrap_or_default(),
        group.kind.verdict.to_owned(),
        status.unwrap_or_default(),
        group.kind.error.clone(),
        times::told(group.first),
        times::told(group.last),
        group.sample.clone().unwrap_or_default(),
    ]
}

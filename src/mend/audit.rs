//! `hookline audit`.

use anyhow::Context as _;
use api::{AuditPage, list::parse};
use clap::Args;
use entity::{audit::Model, lifecycle::operate::audit::page};
use sea_orm::DatabaseConnection;

use crate::{
    config::BadSetting,
    logging,
    look::times,
    output,
    table::{self, Output},
};

const HEADINGS: [&str; 6] = ["AT", "WHO", "ACT", "ABOUT", "COUNT", "REASON"];

#[derive(Args)]
pub struct Arguments {
    /// Then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "FROM", value_parser = at)]
    from: Option<String>,
    /// Before that
    #[arg(long, value_name = "TO", value_parser = at)]
    to: Option<String>,
    /// How many at most, up to 200 [default: 50]
    #[arg(long, value_name = "LIMIT")]
    limit: Option<String>,
    /// Where the list before ended, as it said itself
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

fn at(text: &str) -> Result<String, &'static str> {
    times::ago_or_at(text).map(times::rfc3339)
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let given = [
        ("from", &arguments.from),
        ("to", &arguments.to),
        ("limit", &arguments.limit),
        ("cursor", &arguments.cursor),
    ];
    let given = given.into_iter();
    let query = parse(given.filter_map(|(name, value)| Some((name, value.as_ref()?))));
    let query = query.map_err(|errors| {
        let errors = errors.iter();
        let errors = errors.map(|error| format!("--{} {}", error.field, error.reason));
        BadSetting(errors.collect::<Vec<_>>().join("; "))
    })?;
    let page = page(db, query.range, query.limit).await;
    let page = page.context("DATABASE_URL: the audit could not be read")?;
    let is_empty = page.lines.is_empty();
    let rows: Vec<Vec<String>> = page.lines.iter().map(cells).collect();
    let page = AuditPage::from(page);
    match arguments.output {
        Output::Table if is_empty => logging::say("nothing has been done"),
        Output::Table => {
            output::print(&table::table(&HEADINGS, rows.iter().map(Vec::as_slice)))?;
        }
        Output::Json => output::print(&table::json(&page)?)?,
    }
    if let Some(cursor) = &page.next_cursor {
        logging::say(&format!("there is more; to see it, add --cursor {cursor}"));
    }
    Ok(())
}

fn cells(row: &Model) -> Vec<String> {
    let about = match (&row.transaction_id, &row.source, row.subject) {
        (Some(id), Some(source), _) => format!("{source} {id}"),
        (Some(id), None, _) => id.to_string(),
        (None, Some(source), _) => source.to_string(),
        (None, None, Some(subject)) => subject.to_string(),
        (None, None, None) => "everything".to_owned(),
    };
    vec![
        times::told(row.acted_at),
        row.who.clone(),
        row.act.clone(),
        about,
        row.count.to_string(),
        row.reason.clone(),
    ]
}

//! `hookline list`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use api::{
    TransactionPage,
    list::{Found, Query, load, parse},
};
use clap::Args;
use entity::{failure, transaction::Model};
use sea_orm::DatabaseConnection;

use super::{span, times, words};
use crate::{
    config::BadSetting,
    logging, output,
    table::{self, Output},
};

/// How long one command goes on from page to page where little is found.
const SEARCH_FOR: Duration = Duration::from_secs(5);
/// Characters of a reason in a table.
const REASON_CHARS_MAX: usize = 60;

const HEADINGS: [&str; 8] = [
    "RECEIVED", "STATUS", "SOURCE", "ID", "TYPE", "AMOUNT", "CURRENCY", "REASON",
];

#[derive(Args)]
pub struct Arguments {
    /// PROCESSING, PROCESSED or FAILED
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// The source's name; transactions is the built-in one
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// The sender's word for what has happened
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// An account that pays or receives
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// The amount; 1500 finds 1500.00
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    amount: Option<String>,
    /// Three capital letters
    #[arg(long, value_name = "CURRENCY")]
    currency: Option<String>,
    /// Received then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "FROM", value_parser = span::at)]
    from: Option<String>,
    /// Received before that
    #[arg(long, value_name = "TO", value_parser = span::at)]
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

impl Arguments {
    fn query(&self) -> Result<Query, BadSetting> {
        let status = self.status.as_deref().map(str::to_ascii_uppercase);
        let given = [
            ("status", &status),
            ("source", &self.source),
            ("type", &self.kind),
            ("account", &self.account),
            ("amount", &self.amount),
            ("currency", &self.currency),
            ("from", &self.from),
            ("to", &self.to),
            ("limit", &self.limit),
            ("cursor", &self.cursor),
        ];
        let given = given.map(|(name, value)| (name, value.as_deref()));
        parse(span::given(given)).map_err(span::bad)
    }
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let found = search(db, arguments.query()?).await?;
    let is_empty = found.page.rows.is_empty();
    let table = match arguments.output {
        Output::Table => table(&found),
        Output::Json => String::new(),
    };
    let page = TransactionPage::from(found);
    match arguments.output {
        Output::Table if is_empty => {}
        Output::Table => output::print(&table)?,
        Output::Json => output::print(&table::json(&page)?)?,
    }
    match (page.next_cursor(), is_empty) {
        (Some(cursor), true) => logging::say(&format!(
            "nothing found so far; to look further back, add --cursor {cursor}"
        )),
        (Some(cursor), false) => logging::say(&format!(
            "there may be more; to see it, add --cursor {cursor}"
        )),
        (None, true) => logging::say("nothing found"),
        (None, false) => {}
    }
    Ok(())
}

/// Goes from page to page until there are as many as were asked for, or for a while.
async fn search(db: &DatabaseConnection, mut query: Query) -> anyhow::Result<Found> {
    let until = Instant::now() + SEARCH_FOR;
    let context = "DATABASE_URL: the transactions could not be listed";
    let mut found = load(db, &query).await.context(context)?;
    while let Some(next) = found.page.next
        && found.page.rows.len() < query.limit
        && Instant::now() < until
    {
        query.range.to = next;
        let further = Query {
            limit: query.limit - found.page.rows.len(),
            ..query.clone()
        };
        let further = load(db, &further).await.context(context)?;
        found.page.rows.extend(further.page.rows);
        found.page.next = further.page.next;
        found.failures.extend(further.failures);
    }
    Ok(found)
}

fn table(found: &Found) -> String {
    let rows = found.page.rows.iter();
    let rows: Vec<Vec<String>> = rows
        .map(|row| cells(row, found.failures.get(&row.id)))
        .collect();
    table::table(&HEADINGS, rows.iter().map(Vec::as_slice))
}

fn cells(row: &Model, failure: Option<&failure::Model>) -> Vec<String> {
    let reason = failure.map(|failure| shortened(&failure.reason));
    vec![
        times::told(row.created_at),
        words::status(row.status).to_owned(),
        row.source.to_string(),
        row.transaction_id.to_string(),
        row.kind
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        row.amount
            .map(|amount| amount.to_string())
            .unwrap_or_default(),
        row.currency
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        reason.unwrap_or_default(),
    ]
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

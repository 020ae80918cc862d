//! `hookline summary`.

use anyhow::Context as _;
use api::summary::{load, parse};
use clap::Args;
use sea_orm::DatabaseConnection;

use super::{span, times};
use crate::{
    logging, output,
    progress::Progress,
    table::{self, Output},
};

const HEADINGS: [&str; 5] = ["SOURCE", "CURRENCY", "STATUS", "COUNT", "SUM"];

#[derive(Args)]
pub struct Arguments {
    /// What is counted apart: source, currency, status, with commas between them
    #[arg(long, value_name = "BY", default_value = "source,currency,status")]
    by: String,
    /// Received then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "FROM", value_parser = span::at)]
    from: String,
    /// Received before that [default: now]
    #[arg(long, value_name = "TO", value_parser = span::at)]
    to: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let to = arguments.to.clone().unwrap_or_else(times::now);
    let given = [
        ("by", Some(arguments.by.as_str())),
        ("from", Some(arguments.from.as_str())),
        ("to", Some(to.as_str())),
    ];
    let query = parse(span::given(given)).map_err(span::bad)?;
    let mut progress = Progress::new();
    let tell = |count| progress.tell(|| format!("{count} transactions are summed up so far"));
    let summary = load(db, &query, tell).await;
    let summary = summary.context("DATABASE_URL: the transactions could not be summed up")?;
    let lines: Vec<[String; 5]> = summary.lines().collect();
    match arguments.output {
        Output::Json => output::print(&table::json(&summary)?),
        Output::Table if lines.is_empty() => {
            logging::say("nothing found");
            Ok(())
        }
        Output::Table => {
            let rows = lines.iter().map(<[String; 5]>::as_slice);
            output::print(&table::table(&HEADINGS, rows))
        }
    }
}

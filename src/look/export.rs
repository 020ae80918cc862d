//! `hookline export`.

use std::io::{ErrorKind, Write as _, stdout};

use anyhow::Context as _;
use api::export::{Pages, parse};
use clap::{Args, ValueEnum};
use sea_orm::DatabaseConnection;

use super::{span, times};
use crate::{logging, progress::Progress};

#[derive(Args)]
pub struct Arguments {
    /// Received then or later: a time such as 2024-01-15T10:30:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "FROM", value_parser = span::at)]
    from: String,
    /// Received before that [default: now]
    #[arg(long, value_name = "TO", value_parser = span::at)]
    to: Option<String>,
    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
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
    /// Three capital letters
    #[arg(long, value_name = "CURRENCY")]
    currency: Option<String>,
}

/// How the transactions are written.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For spreadsheets
    Csv,
    /// For programs: one JSON object a line
    Jsonl,
}

/// Writes page after page; there is never more than one in memory.
pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let status = arguments.status.as_deref().map(str::to_ascii_uppercase);
    let format = match arguments.format {
        Format::Csv => "csv",
        Format::Jsonl => "jsonl",
    };
    let to = arguments.to.clone().unwrap_or_else(times::now);
    let given = [
        ("format", Some(format)),
        ("from", Some(arguments.from.as_str())),
        ("to", Some(to.as_str())),
        ("status", status.as_deref()),
        ("source", arguments.source.as_deref()),
        ("type", arguments.kind.as_deref()),
        ("account", arguments.account.as_deref()),
        ("currency", arguments.currency.as_deref()),
    ];
    let query = parse(span::given(given)).map_err(span::bad)?;
    let mut pages = Pages::new(db.clone(), query);
    let mut lines = 0;
    let mut progress = Progress::new();
    let mut out = stdout().lock();
    loop {
        let page = pages.next().await;
        let page = page.context("DATABASE_URL: the transactions could not be read")?;
        let Some(page) = page else {
            break;
        };
        lines += page.lines().count();
        progress.tell(|| format!("{lines} lines are written so far"));
        match out.write_all(page.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // Who has read enough has got what they asked for.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error).context("standard output cannot be written"),
        }
    }
    let heading = usize::from(matches!(arguments.format, Format::Csv));
    if lines <= heading {
        logging::say("nothing found");
    }
    Ok(())
}

//! `hookline status`.

mod document;
mod lines;

use std::{
    io::{IsTerminal as _, stdout},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use entity::{
    SourceName,
    lifecycle::{operate::pause, overview},
};
use sea_orm::{DatabaseConnection, DbErr};

use self::document::Document;
use crate::{
    alerts::silence::Known,
    config::Config,
    database::Address,
    logging, output, sources,
    table::{self, Output},
};

/// Between two looks of `--watch`.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Clears a terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

#[derive(Args)]
pub struct Arguments {
    /// Look again every 2 seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(
    db: &DatabaseConnection,
    config: &Config,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let rules = sources::silence_rules(config).unwrap_or_else(|sentence| {
        logging::say(&format!("no source is said to be silent: {sentence}"));
        Vec::new()
    });
    loop {
        let status = look(db, &config.database_url, &rules).await;
        let status = status.context("DATABASE_URL: the status could not be read")?;
        let shown = match arguments.output {
            Output::Table => lines::lines(&status),
            Output::Json => table::json(&status)?,
        };
        let is_screen =
            arguments.watch && arguments.output == Output::Table && stdout().is_terminal();
        output::print(&match is_screen {
            true => format!("{CLEAR}{shown}"),
            false => shown,
        })?;
        if !arguments.watch {
            return Ok(());
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn look(
    db: &DatabaseConnection,
    address: &Address,
    rules: &[(SourceName, Duration)],
) -> Result<Document, DbErr> {
    let sources = document::Sources {
        seen: overview::sources(db).await?,
        known: Known::load(db).await?,
        rules,
    };
    Ok(Document::of(
        address,
        overview::counts(db).await?,
        overview::consumers(db).await?,
        sources,
        pause::list(db).await?,
    ))
}

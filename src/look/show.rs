//! `hookline show`.

mod document;
mod gone;
mod known;
mod lines;

use anyhow::Context as _;
use clap::Args;
use entity::{TransactionId, lifecycle};
use sea_orm::DatabaseConnection;

use self::{document::Document, known::Known, lines::lines};
use super::find;
use crate::{
    config::BadSetting,
    output,
    table::{self, Output},
};

const FAILED: &str = "DATABASE_URL: the transaction could not be looked up";

#[derive(Args)]
#[command(allow_missing_positional = true)]
pub struct Arguments {
    /// The source's name [default: whichever has the id]
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// The sender's id of the transaction
    #[arg(value_name = "ID")]
    id: String,
    /// List what has been tried
    #[arg(long)]
    attempts: bool,
    /// Show what was sent: the payload, and members beyond those that are known
    #[arg(long)]
    payload: bool,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    let id: Result<TransactionId, _> = arguments.id.parse();
    let id = id.map_err(|error| BadSetting(format!("ID {error}")))?;
    let source = arguments.source.as_deref().map(str::parse);
    let source = source.transpose();
    let source = source.map_err(|error| BadSetting(format!("SOURCE {error}")))?;
    let meant = find(db, source, &id).await?;
    let row = lifecycle::find(db, &meant.source, &id).await;
    let Some(row) = row.context(FAILED)? else {
        let shown = gone::shown(db, meant, arguments.output).await;
        return output::print(&shown.context(FAILED)?);
    };
    let known = Known::of(db, row).await.context(FAILED)?;
    let shown = match arguments.output {
        Output::Table => lines(&known, arguments.attempts, arguments.payload),
        Output::Json => table::json(&Document::of(known, arguments.payload))?,
    };
    output::print(&shown)
}

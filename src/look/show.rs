//! `hookline show`.

mod document;
mod gone;
mod known;
mod lines;

use anyhow::Context as _;
use clap::Args;
use entity::{
    SourceName, TransactionId,
    lifecycle::{self, overview::sources},
    transaction::Model,
};
use sea_orm::DatabaseConnection;

use self::{document::Document, known::Known, lines::lines};
use super::not_found::NotFound;
use crate::{
    config::BadSetting,
    output,
    table::{self, Output},
};

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
    let row = match kept(db, source, &id).await? {
        Kept::Row(row) => *row,
        Kept::Id(known) => {
            let shown = gone::shown(db, known, arguments.output).await;
            let shown = shown.context("DATABASE_URL: the transaction could not be looked up")?;
            return output::print(&shown);
        }
    };
    let known = Known::of(db, row).await;
    let known = known.context("DATABASE_URL: the transaction could not be looked up")?;
    let shown = match arguments.output {
        Output::Table => lines(&known, arguments.attempts, arguments.payload),
        Output::Json => table::json(&Document::of(known, arguments.payload))?,
    };
    output::print(&shown)
}

/// The row of this id: of this source, or of the one that has it.
pub async fn find(
    db: &DatabaseConnection,
    source: Option<SourceName>,
    id: &TransactionId,
) -> anyhow::Result<Model> {
    match kept(db, source, id).await? {
        Kept::Row(row) => Ok(*row),
        Kept::Id(_) => {
            let shown = table::printable(id.as_ref());
            let sentence = format!("the content of transaction {shown} is kept no more");
            Err(NotFound(sentence).into())
        }
    }
}

/// What is kept of a transaction.
enum Kept {
    Row(Box<Model>),
    /// Only what is known for ever.
    Id(lifecycle::Known),
}

/// What is kept under this id: of this source, or of the one that has it.
async fn kept(
    db: &DatabaseConnection,
    source: Option<SourceName>,
    id: &TransactionId,
) -> anyhow::Result<Kept> {
    let among = match source {
        Some(source) => vec![source],
        None => names(db).await?,
    };
    let mut found = Vec::new();
    for source in &among {
        let known = lifecycle::known(db, source, id).await;
        found.extend(known.context("DATABASE_URL: the transaction could not be looked up")?);
    }
    match (found.pop(), found.as_slice()) {
        (Some(known), []) => {
            let row = lifecycle::find(db, &known.source, id).await;
            let row = row.context("DATABASE_URL: the transaction could not be looked up")?;
            Ok(row.map_or(Kept::Id(known), |row| Kept::Row(Box::new(row))))
        }
        (Some(last), others) => {
            let sources = others.iter().chain([&last]);
            let sources: Vec<&str> = sources.map(|known| known.source.as_ref()).collect();
            let sentence = format!(
                "SOURCE must be given, because several have this id: {}",
                sources.join(", ")
            );
            Err(BadSetting(sentence).into())
        }
        (None, _) => {
            let sentence = format!("no transaction {} is there", table::printable(id.as_ref()));
            Err(NotFound(sentence).into())
        }
    }
}

async fn names(db: &DatabaseConnection) -> anyhow::Result<Vec<SourceName>> {
    let sources = sources(db).await;
    let sources = sources.context("DATABASE_URL: the sources could not be read")?;
    Ok(sources.into_iter().map(|seen| seen.source).collect())
}

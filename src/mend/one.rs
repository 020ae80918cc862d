//! `hookline replay` and `give-up`, and `retry` by ids.

use anyhow::{Context as _, anyhow};
use api::mend::{Act, Outcome, act};
use clap::Args;
use entity::{SourceName, TransactionId, lifecycle::operate::By, transaction::Model};
use sea_orm::DatabaseConnection;
use serde_json::Value;

use super::by::by;
use crate::{
    config::BadSetting,
    logging,
    look::{NotFound, find, words},
    table::{self, Output, Row, object, printable},
};

const HEADINGS: [&str; 3] = ["SOURCE", "ID", "STATUS"];

#[derive(Args)]
pub struct Arguments {
    /// The senders' ids of the transactions
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// The source's name [default: whichever has the id]
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(db: &DatabaseConnection, act: Act, arguments: &Arguments) -> anyhow::Result<()> {
    let ids = Ids::read(&arguments.ids, arguments.source.as_deref())?;
    let by = by(arguments.reason.as_deref())?;
    each(db, act, &ids, &by, arguments.output).await
}

/// Which transactions are meant.
pub struct Ids {
    source: Option<SourceName>,
    ids: Vec<TransactionId>,
}

impl Ids {
    /// Reads them, as they stand on the command line.
    pub fn read(ids: &[String], source: Option<&str>) -> Result<Self, BadSetting> {
        let ids = ids.iter().map(|id| {
            id.parse()
                .map_err(|error| BadSetting(format!("ID {error}")))
        });
        let source = source.map(str::parse).transpose();
        Ok(Self {
            ids: ids.collect::<Result<_, _>>()?,
            source: source.map_err(|error| BadSetting(format!("SOURCE {error}")))?,
        })
    }
}

/// Does it to each, prints those to which it could be done, and says of the others why not.
pub async fn each(
    db: &DatabaseConnection,
    act: Act,
    ids: &Ids,
    by: &By,
    output: Output,
) -> anyhow::Result<()> {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for id in &ids.ids {
        match one(db, act, ids.source.clone(), id, by).await {
            Ok(row) => rows.push(row),
            Err(error) => failures.push(error),
        }
    }
    if !rows.is_empty() || output == Output::Json {
        table::print(&HEADINGS, &rows, output)?;
    }
    // The exit code tells apart what is not there.
    failures.sort_by_key(|error| error.is::<NotFound>());
    let last = failures.pop();
    for failure in failures {
        logging::say(&format!("{failure:#}"));
    }
    last.map_or(Ok(()), Err)
}

async fn one(
    db: &DatabaseConnection,
    what: Act,
    source: Option<SourceName>,
    id: &TransactionId,
    by: &By,
) -> anyhow::Result<Row> {
    let row = find(db, source, id).await?;
    let outcome = act(db, what, row.id, by).await;
    let shown = printable(id.as_ref());
    match outcome.with_context(|| format!("DATABASE_URL: {shown} could not be changed"))? {
        Outcome::Done(status) => Ok(told(&row, words::status(status))),
        Outcome::Unknown => Err(NotFound(format!("no transaction {shown} is there")).into()),
        Outcome::Cannot(why) => Err(anyhow!("{shown} is not {}: {why}", done(what))),
    }
}

fn told(row: &Model, status: &str) -> Row {
    let (source, id) = (row.source.to_string(), row.transaction_id.to_string());
    Row {
        json: object([
            ("source", Value::from(source.as_str())),
            ("transaction_id", id.as_str().into()),
            ("status", status.into()),
        ]),
        cells: vec![source, id, status.to_owned()],
    }
}

fn done(act: Act) -> &'static str {
    match act {
        Act::Retry => "retried",
        Act::Replay => "replayed",
        Act::GiveUp => "given up",
    }
}

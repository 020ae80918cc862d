//! `hookline retries`: what is retried together.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use api::{BulkRetry, BulkRetryList};
use clap::{Args, Subcommand};
use entity::{
    bulk_retry::{Model, State},
    lifecycle::operate::{
        By,
        bulk::{self, Advanced, Changed, Progress},
    },
};
use sea_orm::DatabaseConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::by::by;
use crate::{
    config::BadSetting,
    logging,
    look::{NotFound, times},
    output,
    table::{self, Output},
};

/// Of the newest, how many are listed.
const LISTED: u64 = 50;
/// Between two lines that say how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Between two looks, while nothing is to be done here.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const HEADINGS: [&str; 9] = [
    "BEGUN",
    "ID",
    "STATE",
    "RATE",
    "MATCHED",
    "RETRIED",
    "PASSED OVER",
    "WHO",
    "REASON",
];

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

#[derive(Subcommand)]
enum Command {
    /// Say how far one is
    Show {
        /// Its id
        #[arg(value_name = "RETRIES")]
        id: String,
        /// Stay, carry it out, and say how far it is
        #[arg(long)]
        watch: bool,
        /// How to print it
        #[arg(long, value_name = "OUTPUT", default_value = "table")]
        output: Output,
    },
    /// Reopen nothing until it is resumed
    Pause(Change),
    /// Go on where it was paused
    Resume(Change),
    /// End it: reopen nothing more
    Cancel(Change),
}

#[derive(Args)]
struct Change {
    /// Its id
    #[arg(value_name = "RETRIES")]
    id: String,
    /// Why, for whoever asks later [default: asked for on a terminal]
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// How to print it
    #[arg(long, value_name = "OUTPUT", default_value = "table")]
    output: Output,
}

pub async fn run(db: &DatabaseConnection, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => list(db, arguments.output).await,
        Some(Command::Show {
            id,
            watch: true,
            output,
        }) => watch(db, read(id)?, *output).await,
        Some(Command::Show { id, output, .. }) => {
            let found = find(db, read(id)?).await?;
            show(found, *output)
        }
        Some(Command::Pause(change)) => {
            change
                .run(db, async |id, by| bulk::pause(db, id, by).await)
                .await
        }
        Some(Command::Resume(change)) => {
            change
                .run(db, async |id, by| bulk::resume(db, id, by).await)
                .await
        }
        Some(Command::Cancel(change)) => {
            change
                .run(db, async |id, by| bulk::cancel(db, id, by).await)
                .await
        }
    }
}

impl Change {
    async fn run(
        &self,
        db: &DatabaseConnection,
        change: impl AsyncFnOnce(Uuid, &By) -> Result<Changed, sea_orm::DbErr>,
    ) -> anyhow::Result<()> {
        let id = read(&self.id)?;
        let by = by(self.reason.as_deref())?;
        let changed = change(id, &by).await;
        match changed.with_context(|| format!("DATABASE_URL: {id} could not be changed"))? {
            Changed::Changed => show(find(db, id).await?, self.output),
            Changed::Not(state) => Err(anyhow!("{id} is {}", told(state))),
            Changed::Unknown => Err(unknown(id)),
        }
    }
}

fn read(id: &str) -> Result<Uuid, BadSetting> {
    id.parse()
        .map_err(|_| BadSetting("RETRIES must be an id as hookline retries lists it".into()))
}

fn unknown(id: Uuid) -> anyhow::Error {
    NotFound(format!("no retries {id} are there")).into()
}

async fn find(db: &DatabaseConnection, id: Uuid) -> anyhow::Result<Progress> {
    let found = bulk::find(db, id).await;
    let found = found.context("DATABASE_URL: the retries could not be looked up")?;
    found.ok_or_else(|| unknown(id))
}

async fn list(db: &DatabaseConnection, output: Output) -> anyhow::Result<()> {
    let listed = bulk::list(db, LISTED).await;
    let listed = listed.context("DATABASE_URL: the retries could not be listed")?;
    match output {
        Output::Table if listed.is_empty() => logging::say("nothing was ever retried together"),
        Output::Table => output::print(&lines(&listed))?,
        Output::Json => {
            let data = listed.into_iter().map(BulkRetry::begun);
            let data = data.collect::<Result<_, _>>()?;
            output::print(&table::json(&BulkRetryList { data })?)?;
        }
    }
    Ok(())
}

/// Some of them, as a table.
pub fn lines(some: &[Model]) -> String {
    let rows: Vec<Vec<String>> = some.iter().map(cells).collect();
    table::table(&HEADINGS, rows.iter().map(Vec::as_slice))
}

fn cells(row: &Model) -> Vec<String> {
    vec![
        times::told(row.created_at),
        row.id.to_string(),
        told(row.state).to_owned(),
        format!("{}/s", row.rate),
        row.matched.to_string(),
        row.retried.to_string(),
        row.passed_over.to_string(),
        row.who.clone(),
        row.reason.clone(),
    ]
}

fn told(state: State) -> &'static str {
    match state {
        State::Running => "RUNNING",
        State::Paused => "PAUSED",
        State::Cancelled => "CANCELLED",
        State::Done => "DONE",
    }
}

fn show(found: Progress, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Json => output::print(&table::json(&BulkRetry::with_progress(found)?)?),
        Output::Table => {
            output::print(&lines(std::slice::from_ref(&found.bulk)))?;
            logging::say(&progress(&found));
            Ok(())
        }
    }
}

/// How far it is, in a line.
fn progress(found: &Progress) -> String {
    let Progress {
        bulk,
        remaining,
        failed,
        processed,
    } = found;
    format!(
        "{} of {} retried: {processed} processed, {failed} failed again, {remaining} unfinished",
        bulk.retried, bulk.matched
    )
}

/// Carries it out beside whoever else does, and says how far it is, until it has ended and what it has reopened is final.
pub async fn watch(db: &DatabaseConnection, id: Uuid, output: Output) -> anyhow::Result<()> {
    let failed = "DATABASE_URL: the retries could not be carried out";
    let mut tell_at = Instant::now();
    loop {
        let rest = match bulk::advance(db).await.context(failed)? {
            Advanced::Portion { .. } => Duration::ZERO,
            Advanced::NotYet { due_in } => due_in.min(LOOK_EVERY),
            Advanced::Nothing => LOOK_EVERY,
        };
        if Instant::now() >= tell_at {
            tell_at = Instant::now() + TELL_EVERY;
            let found = find(db, id).await?;
            let has_ended = matches!(found.bulk.state, State::Done | State::Cancelled);
            if has_ended && found.remaining == 0 {
                return show(found, output);
            }
            let state = told(found.bulk.state);
            logging::say(&format!("{state}: {}", progress(&found)));
        }
        tokio::time::sleep(rest).await;
    }
}

//! What operators change from the command line: in the database itself, so that it works with no process running, and beside
//! one. Each act is committed with its line of the audit: who, and why.
//!
//! Data goes to standard output, as a table for people or as JSON for programs; everything else to standard error.

mod audit;
pub mod by;
mod confirm;
mod many;
mod one;
mod pauses;
mod retries;
mod retry;

use api::mend::Act;
use clap::Subcommand;

use crate::{config::Config, look::opened::open_to_change};

#[derive(Subcommand)]
pub enum Command {
    /// Retry what has failed: one by its ID, or all that match
    Retry(retry::Arguments),
    /// Have the call of a processed transaction made once more, marked as a replay
    Replay(one::Arguments),
    /// Give up a transaction that is being retried: it is FAILED
    GiveUp(one::Arguments),
    /// List what is retried together; watch it, pause it, end it
    Retries(retries::Arguments),
    /// Stop processing for now, of one source or of everything; receiving goes on
    Pause(pauses::Pause),
    /// Go on with what was paused
    Resume(pauses::Resume),
    /// List what operators have done, newest first
    Audit(audit::Arguments),
}

/// Does what was asked, and says what has come of it on standard output.
pub async fn run(command: &Command, config: &Config) -> anyhow::Result<()> {
    let db = open_to_change(&config.database_url).await?;
    let done = match command {
        Command::Retry(arguments) => retry::run(&db, arguments).await,
        Command::Replay(arguments) => one::run(&db, Act::Replay, arguments).await,
        Command::GiveUp(arguments) => one::run(&db, Act::GiveUp, arguments).await,
        Command::Retries(arguments) => retries::run(&db, arguments).await,
        Command::Pause(arguments) => pauses::pause(&db, arguments).await,
        Command::Resume(arguments) => pauses::resume(&db, arguments).await,
        Command::Audit(arguments) => audit::run(&db, arguments).await,
    };
    // The last connection to a SQLite file moves its log into it.
    db.close().await?;
    done
}

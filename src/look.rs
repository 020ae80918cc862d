//! What operators can look at: in the database itself, so that it works with no process running, and beside one. Nothing here
//! changes anything.
//!
//! Data goes to standard output, as a table for people or as JSON for programs; everything else to standard error.

mod amounts;
mod failures;
mod list;
mod not_found;
mod opened;
mod refusals;
mod show;
mod status;
mod tail;
pub mod times;
pub mod words;

use clap::Subcommand;

use crate::config::Config;
pub use not_found::NotFound;
pub use show::find;

#[derive(Subcommand)]
pub enum Command {
    /// List transactions, newest first
    List(list::Arguments),
    /// Show one transaction, and where it is; ends with 3 if there is none
    Show(show::Arguments),
    /// Count what has failed, by source and reason
    Failures(failures::Arguments),
    /// List requests that were refused, because they were not proven to be their sender's
    Refusals(refusals::Arguments),
    /// Show the database, what waits, the consumers and the sources
    Status(status::Arguments),
    /// Follow what happens: what is accepted, finishes and fails, and what operators do
    Tail(tail::Arguments),
}

/// Answers what was asked, on standard output.
pub async fn run(command: &Command, config: &Config) -> anyhow::Result<()> {
    let address = &config.database_url;
    let db = opened::open(address).await?;
    match command {
        Command::List(arguments) => list::run(&db, arguments).await,
        Command::Show(arguments) => show::run(&db, arguments).await,
        Command::Failures(arguments) => failures::run(&db, arguments).await,
        Command::Refusals(arguments) => refusals::run(&db, arguments).await,
        Command::Status(arguments) => status::run(&db, address, arguments).await,
        Command::Tail(arguments) => tail::run(&db, arguments).await,
    }
}

//! The lab's command line.

mod command;
mod compose;
mod signals;
mod with_servers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Proof for Hookline: private servers for its tests, its benchmark, and faults of every kind
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a command with PostgreSQL and RabbitMQ of its own, and stop them afterwards
    WithServers(with_servers::Args),
    /// Measure the service against what the same machine does without one
    Bench(lab::bench::Args),
    /// Break everything around the service, and check that nothing was lost and nothing done twice
    Chaos(lab::chaos::Args),
    /// Succeed if PostgreSQL and RabbitMQ are installed here; otherwise name what is missing
    CanStart,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::WithServers(args) => with_servers::run(args).await,
        Task::Bench(args) => lab::bench::run(args).await.map(|()| ExitCode::SUCCESS),
        Task::Chaos(args) => lab::chaos::run(args).await,
        Task::CanStart => with_servers::can_start().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("lab: {error:#}");
        ExitCode::FAILURE
    })
}

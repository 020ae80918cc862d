//! The lab's command line.

// A whole benchmark is one future, too deep for the compiler's usual limit once it optimises.
#![recursion_limit = "256"]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Proof for Hookline: its benchmark, and faults of every kind
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure the service against what the same machine does without one
    Bench(lab::bench::Args),
    /// Break everything around the service, and check that nothing was lost and nothing done twice
    Chaos(lab::chaos::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Bench(args) => lab::bench::run(args).await.map(|()| ExitCode::SUCCESS),
        Task::Chaos(args) => lab::chaos::run(args).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("lab: {error:#}");
        ExitCode::FAILURE
    })
}

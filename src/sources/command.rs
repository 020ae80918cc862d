//! What an operator can ask about sources. Nothing of it needs the database, the broker or a running process.

mod check;
mod presets;
mod sign;

use std::path::PathBuf;

use clap::Subcommand;

use super::{assembly::Given, variables::Variables};
use crate::{config::Config, table::Output};

#[derive(Subcommand)]
pub enum Command {
    /// List the configured sources and test each; ends with 1 if something is wrong
    Check {
        /// How to print it
        #[arg(long, value_name = "OUTPUT", default_value = "table")]
        output: Output,
    },
    /// List the presets: the senders that are known by name
    Presets {
        /// How to print it
        #[arg(long, value_name = "OUTPUT", default_value = "table")]
        output: Output,
    },
    /// Print a curl command that sends a file as this source's sender would: signed, for now
    Sign {
        /// The source's name
        #[arg(value_name = "NAME")]
        name: String,
        /// The file whose bytes are the webhook's body
        #[arg(long, value_name = "FILE")]
        body: PathBuf,
        /// Where Hookline listens [default: HOST and PORT]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

/// Answers what was asked, on standard output.
pub fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let given = || Given {
        file: config.sources_file.clone(),
        variables: Variables::of_process(),
    };
    match command {
        Command::Check { output } => check::run(&given(), output),
        Command::Presets { output } => presets::run(output),
        Command::Sign { name, body, url } => {
            let url = url.unwrap_or_else(|| sign::local_url(&config.host, config.port));
            sign::run(&given(), &name, &body, &url)
        }
    }
}

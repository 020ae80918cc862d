//! The command line.

use std::{error::Error as _, process::ExitCode};

use clap::{
    Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{config::Config, migrate};

/// Takes payment webhooks, answers at once, and processes each exactly once.
///
/// Without a command it runs everything in one process; without settings it keeps its data in
/// hookline.db and its queue in memory.
#[derive(Parser)]
#[command(name = "hookline", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: Config,
}

#[derive(Subcommand)]
pub enum Command {
    /// Receive webhooks and publish them to RabbitMQ
    Api,
    /// Process what RabbitMQ delivers
    Consumer,
    /// Change the database's schema
    Migrate {
        #[command(subcommand)]
        command: migrate::Command,
    },
    /// Print the OpenAPI document
    Openapi,
}

/// Why there is nothing to run.
pub enum Stop {
    /// Clap has said all there is to say: help, the version, or what was wrong with the words.
    Told(ExitCode),
    /// A setting's value is no good: the sentence that says so.
    BadValue(String),
}

impl Cli {
    /// Reads the command line and the environment.
    pub fn read() -> Result<Self, Stop> {
        Self::try_parse().map_err(|error| match bad_value(&error) {
            Some(sentence) => Stop::BadValue(sentence),
            None => {
                // Where this cannot be written, nothing can.
                let _ = error.print();
                Stop::Told(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)))
            }
        })
    }
}

/// `PREFETCH must be …`: the variable's name, whichever way its value came, and what would be right.
/// Never the value: it may hold a password.
fn bad_value(error: &clap::Error) -> Option<String> {
    let ContextValue::String(argument) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let variable = argument.split(['<', '>']).nth(1)?;
    match error.kind() {
        ErrorKind::ValueValidation => Some(format!("{variable} {}", error.source()?)),
        ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
                Some(format!("{variable} must be one of: {}", valid.join(", ")))
            }
            _ => Some(format!("{variable} must have a value")),
        },
        _ => None,
    }
}

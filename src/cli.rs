//! The command line.

use std::{error::Error as _, io, process::ExitCode};

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    completions, config::Config, doctor, erase, given, in_force, look, mend, migrate, retention,
    sources,
};

/// Takes payment webhooks, answers at once, and processes each exactly once.
///
/// Without a command it runs everything in one process; without settings it keeps its data in
/// hookline.db and its queue in memory.
#[derive(Parser)]
#[command(
    name = "hookline",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, or stopped by a signal; 1 it cannot start, go on or do it; 2 a bad or missing setting, \
                  or unknown words; 3 not found; 130 a second signal."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: Config,
    /// The same, as they were given.
    #[arg(skip)]
    pub settings: Vec<in_force::Setting>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Receive webhooks and publish them to RabbitMQ
    Api,
    /// Process what RabbitMQ delivers
    Consumer,
    #[command(flatten)]
    Look(look::Command),
    #[command(flatten)]
    Mend(mend::Command),
    /// Delete what a transaction says, or all of an account, now and for ever; ids stay known
    Erase(erase::Arguments),
    /// Delete what has been kept for as long as RETENTION_… say, now rather than in turn
    Retention(retention::Arguments),
    /// Look whether everything is there that a process needs; ends with 1 if anything is bad
    Doctor(doctor::Arguments),
    /// Change the database's schema
    Migrate {
        #[command(subcommand)]
        command: migrate::Command,
    },
    /// Look at the configured sources, and send as they would
    Sources {
        #[command(subcommand)]
        command: sources::command::Command,
    },
    /// Show which settings are in force, and where each comes from
    Config(in_force::Arguments),
    /// Print what a shell needs to complete these words
    Completions(completions::Arguments),
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
    /// The names of the variables that are settings.
    pub fn variables() -> Vec<String> {
        given::variables(&Self::command())
    }

    /// All words that it takes.
    pub fn words() -> clap::Command {
        Self::command()
    }

    /// Reads the command line and the environment.
    pub fn read() -> Result<Self, Stop> {
        let command = Self::command();
        // Before the command forgets which of its flags have a variable.
        let words = given::words(&command, std::env::args_os()).map_err(Stop::BadValue)?;
        let command = given::environment(command).map_err(Stop::BadValue)?;
        let read = command.try_get_matches_from(words);
        let read = read.and_then(|matches| {
            let mut cli = Self::from_arg_matches(&matches)?;
            cli.settings = in_force::settings(&Self::command(), &matches);
            Ok(cli)
        });
        read.map_err(stop)
    }
}

fn stop(mut error: clap::Error) -> Stop {
    if let Some(sentence) = bad_value(&error).or_else(|| bad_word(&error)) {
        return Stop::BadValue(sentence);
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    // It would list what the environment has set as if it were missing.
    error.remove(ContextKind::Usage);
    Stop::Told(match error.print() {
        Err(cannot) if code == 0 && cannot.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        // A reader who has read enough has got what they asked for; and where a complaint cannot be written, nothing can.
        _ => ExitCode::from(code),
    })
}

/// For a word that stands where a command or a flag should, and does not look like one: it may be a value whose flag was
/// forgotten, and the parser would repeat it.
fn bad_word(error: &clap::Error) -> Option<String> {
    let context = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let ContextValue::String(word) = error.get(context)? else {
        return None;
    };
    let is_of_words = |c: char| c.is_ascii_lowercase() || c == '-';
    let right = "the command line must consist of commands and flags that hookline --help lists";
    (!word.chars().all(is_of_words)).then(|| right.to_owned())
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

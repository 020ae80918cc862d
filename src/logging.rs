//! The log: to standard error, so that standard output stays free for what a command prints.
//!
//! A log that cannot be written, or that nobody reads, holds up nothing and ends nothing: a thread of its own writes it,
//! and what that cannot write is lost.

use std::{
    fs::File,
    io::{IsTerminal, Write as _, stderr},
    os::fd::AsFd as _,
    sync::{Mutex, PoisonError},
};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Config, LogFormat};

/// Lines that may wait to be written, 200 bytes or so each. Beyond, they are lost.
const WAITING_MAX: usize = 16_384;

/// From the start of the log to its end.
static LOG: Mutex<Option<(NonBlocking, WorkerGuard)>> = Mutex::new(None);

/// Starts logging, or says in one sentence why not.
pub fn start(config: &Config) -> Result<(), String> {
    let mut filter = EnvFilter::try_new(&config.rust_log).map_err(|_| {
        "RUST_LOG must be a level (error, warn, info, debug, trace) or rules such as info,api=debug"
    })?;
    // What the broker's client reports it also returns, and whoever handles it logs it, once.
    let client = queue::amqp::LOG_TARGET;
    if !config.rust_log.contains(client) {
        filter = filter.add_directive(format!("{client}=off").parse().map_err(|_| client)?);
    }
    // A file of its own, for whoever locks the library's standard error may wait for a reader that has gone.
    let file = (stderr().as_fd().try_clone_to_owned())
        .map_err(|error| format!("standard error cannot be written: {error}"))?;
    let (lines, writing) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_MAX)
        .thread_name("log")
        .finish(File::from(file));
    let log = fmt()
        .with_env_filter(filter)
        .with_writer(lines.clone())
        .log_internal_errors(false);
    match config.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).init(),
    }
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some((lines, writing));
    Ok(())
}

/// Says a sentence of the process about itself: after what has been logged, if anything has.
pub fn say(sentence: &str) {
    let line = format!("hookline: {sentence}\n");
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    // Where this cannot be written, nothing can.
    let _ = match &mut *log {
        Some((lines, _)) => lines.write_all(line.as_bytes()),
        None => stderr().write_all(line.as_bytes()),
    };
}

/// Waits until everything is written; for a second or so if nobody reads it.
pub fn end() {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Ends the process here and now, but for the last lines of its log.
pub fn exit(code: i32) -> ! {
    end();
    std::process::exit(code)
}

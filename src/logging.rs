//! The log: to standard error, so that standard output stays free for what a command prints.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Config, LogFormat};

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
    let log = fmt().with_env_filter(filter).with_writer(stderr);
    match config.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).init(),
    }
    Ok(())
}

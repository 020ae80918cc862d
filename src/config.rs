//! The settings: the only reader of the environment. A flag overrides its variable, a variable
//! overrides `.env`, `.env` overrides the default.
//!
//! The order here is the order of `--help`, of the README's table and of `.env.example`.

mod retention;
mod traces;

use std::{net::Ipv6Addr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use consumer::Schedule;
use queue::amqp;
use thiserror::Error;

use crate::{database::Address, tokens};
pub use retention::Retention;
pub use traces::Traces;

/// At work at once, if that is a timer each.
const PREFETCH_SIMULATED: u32 = 300_000;
/// At work at once, if that is a call to downstream each.
const PREFETCH_CALLS: u32 = 1000;
/// A shorter lease would be lost to any pause.
const LEASE_MIN: Duration = Duration::from_secs(1);

/// Longer than anybody waits. Times that are much longer cannot be added to a clock's.
const LENGTH_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A setting that turned out to be of no use when something was made of it: a sentence that begins with its variable's name
/// and does not repeat its value.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BadSetting(pub String);

/// Every setting, checked.
#[derive(Args, Clone)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// Where transactions are kept: sqlite:FILE, or postgres://USER:PASSWORD@HOST/DATABASE
    ///
    /// For TLS add ?sslmode=verify-full&sslrootcert=FILE to a postgres address.
    #[arg(
        long, env, global = true, value_name = "DATABASE_URL", hide_env_values = true,
        default_value = "sqlite:hookline.db", value_parser = Address::parse
    )]
    pub database_url: Address,

    /// The RabbitMQ broker: amqp:// or amqps://USER:PASSWORD@HOST:PORT/VHOST [default: a queue inside the
    /// process]
    #[arg(
        long, env, global = true, value_name = "AMQP_URL", hide_env_values = true,
        value_parser = amqp_url
    )]
    pub amqp_url: Option<String>,

    /// The queue's name on the broker
    #[arg(
        long,
        env,
        global = true,
        value_name = "AMQP_QUEUE",
        default_value = "hookline.transactions",
        value_parser = amqp_queue
    )]
    pub amqp_queue: String,

    /// A PEM file of certificate authorities to trust for amqps://, beside the system's
    #[arg(long, env, global = true, value_name = "AMQP_CA_FILE")]
    pub amqp_ca_file: Option<PathBuf>,

    /// The address to listen on, or a name for it
    #[arg(
        long,
        env,
        global = true,
        value_name = "HOST",
        default_value = "127.0.0.1",
        value_parser = host
    )]
    pub host: String,

    /// The port to listen on; 0 takes any free one
    #[arg(
        long, env, global = true, value_name = "PORT", default_value = "8000",
        value_parser = port
    )]
    pub port: u16,

    /// How long a connection may be idle between two requests
    ///
    /// Set it longer than the balancer's limit, so that the balancer closes the connection.
    #[arg(
        long, env, global = true, value_name = "KEEP_ALIVE", default_value = "620s",
        value_parser = timeout
    )]
    pub keep_alive: Duration,

    /// Where operators are answered, as HOST:PORT, in a consumer, too: /healthz, /readyz and /metrics
    /// [default: on the API's port]
    #[arg(
        long, env, global = true, value_name = "ADMIN_ADDR",
        value_parser = admin_addr
    )]
    pub admin_addr: Option<(String, u16)>,

    /// Who may look transactions up: tokens with commas between them, each SECRET or NAME:SECRET [default:
    /// everybody who reaches the port]
    ///
    /// A token comes as Authorization: Bearer SECRET. docs/SECURITY.md says what it opens.
    #[arg(
        long, env, global = true, value_name = "READ_TOKEN", hide_env_values = true,
        value_parser = tokens::Given::parse
    )]
    pub read_token: Option<tokens::Given>,

    /// A file with further ones, one on each line, which is read again while the process runs
    #[arg(long, env, global = true, value_name = "READ_TOKEN_FILE")]
    pub read_token_file: Option<PathBuf>,

    /// Who may change anything, and look it up, in the same form [default: nobody, over HTTP]
    ///
    /// What is done is kept with the token's name.
    #[arg(
        long, env, global = true, value_name = "ADMIN_TOKEN", hide_env_values = true,
        value_parser = tokens::Given::parse
    )]
    pub admin_token: Option<tokens::Given>,

    /// A file with further ones, one on each line, which is read again while the process runs
    #[arg(long, env, global = true, value_name = "ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// A TOML file that says who else may send, and how each is verified [default: only what SOURCE_…
    /// variables say]
    ///
    /// docs/SOURCES.md says what stands in it. SOURCE_STRIPE_SECRET=whsec_… needs no file.
    #[arg(long, env, global = true, value_name = "SOURCES_FILE")]
    pub sources_file: Option<PathBuf>,

    /// Your service: each transaction is posted there, and the answer decides; without it the call is
    /// simulated
    ///
    /// docs/DOWNSTREAM.md says what is sent and what the answers mean.
    #[arg(
        long,
        env,
        global = true,
        value_name = "PROCESS_URL",
        hide_env_values = true
    )]
    pub process_url: Option<String>,

    /// The key that signs each call (Standard Webhooks): whsec_ and the base64 of 24 to 64 bytes
    #[arg(
        long,
        env,
        global = true,
        value_name = "PROCESS_SECRET",
        hide_env_values = true
    )]
    pub process_secret: Option<String>,

    /// How long an answer may take, from connecting to its last byte
    #[arg(
        long, env, global = true, value_name = "PROCESS_TIMEOUT", default_value = "30s",
        value_parser = timeout
    )]
    pub process_timeout: Duration,

    /// The waits between attempts; when the attempt after the last wait fails, the transaction is FAILED
    ///
    /// Each wait is lengthened at random by up to a fifth.
    #[arg(
        long,
        env,
        global = true,
        value_name = "RETRY_SCHEDULE",
        default_value = "5s,5m,30m,2h,5h,10h,14h,20h,24h"
    )]
    pub retry_schedule: Schedule,

    /// How long the simulated call takes: 250ms, 30s, 0s
    #[arg(
        long, env, global = true, value_name = "PROCESSING_DELAY", default_value = "30s",
        value_parser = length_of_time
    )]
    pub processing_delay: Duration,

    /// How many deliveries a consumer may hold and work on at once [default: 300000, or 1000 with
    /// PROCESS_URL]
    ///
    /// Work of 30 s at a rate of R webhooks per second needs 30 × R of them.
    #[arg(
        long, env, global = true, value_name = "PREFETCH",
        value_parser = prefetch
    )]
    pub prefetch: Option<u32>,

    /// How long after a consumer's last sign of life the others take over its work
    ///
    /// A consumer renews its lease four times in this time. One process with a SQLite file for itself needs no lease.
    #[arg(
        long, env, global = true, value_name = "LEASE", default_value = "15s",
        value_parser = lease
    )]
    pub lease: Duration,

    #[command(flatten)]
    pub retention: Retention,

    /// Where operator events are posted: what has failed, a circuit that opened, a source that fell silent
    ///
    /// Grouped, and at most one a minute and kind.
    #[arg(
        long,
        env,
        global = true,
        value_name = "ALERT_URL",
        hide_env_values = true
    )]
    pub alert_url: Option<String>,

    /// The key that signs each operator event (Standard Webhooks): whsec_ and the base64 of 24 to 64 bytes
    #[arg(
        long,
        env,
        global = true,
        value_name = "ALERT_SECRET",
        hide_env_values = true
    )]
    pub alert_secret: Option<String>,

    /// How long /readyz says 503 before a stop, while everything else goes on [default: until every client
    /// that asks every 3s or more often has seen it three times, 10s at most]
    #[arg(
        long, env, global = true, value_name = "SHUTDOWN_DELAY",
        value_parser = length_of_time
    )]
    pub shutdown_delay: Option<Duration>,

    /// How long a stop may take after that; work still in flight then is redelivered
    #[arg(
        long, env, global = true, value_name = "SHUTDOWN_GRACE", default_value = "10s",
        value_parser = length_of_time
    )]
    pub shutdown_grace: Duration,

    /// What to log: error, warn, info, debug, trace, or rules such as info,api=debug
    #[arg(
        long = "rust-log",
        env = "RUST_LOG",
        global = true,
        value_name = "RUST_LOG",
        default_value = "info"
    )]
    pub rust_log: String,

    /// How to log
    #[arg(
        long,
        env,
        global = true,
        value_name = "LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    #[command(flatten)]
    pub traces: Traces,
}

impl Config {
    /// Deliveries that a consumer may hold.
    pub fn prefetch(&self) -> u32 {
        self.prefetch.unwrap_or(match self.process_url {
            Some(_) => PREFETCH_CALLS,
            None => PREFETCH_SIMULATED,
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

fn amqp_url(text: &str) -> Result<String, String> {
    amqp::check_url(text).map(|()| text.to_owned())
}

fn amqp_queue(text: &str) -> Result<String, String> {
    amqp::check_queue(text).map(|()| text.to_owned())
}

/// Without the brackets that an IPv6 address may have.
fn host(text: &str) -> Result<String, String> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    // A zone, as in fe80::1%eth0, is the system's business.
    let is_v6 = |text: &str| {
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        address.parse::<Ipv6Addr>().is_ok()
    };
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match inner {
        Some(inner) if is_v6(inner) => Ok(inner.to_owned()),
        None if is_v6(text) || text.chars().all(is_of_names) => Ok(text.to_owned()),
        _ => Err("must be an IP address or a name, without a port".into()),
    }
}

/// A host and a port.
fn admin_addr(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':').and_then(|(name, number)| {
        let is_bare_v6 = name.contains(':') && !name.starts_with('[');
        let is_good = !name.is_empty() && !is_bare_v6;
        is_good.then(|| Some((host(name).ok()?, port(number).ok()?)))?
    });
    parts.ok_or_else(|| {
        "must be an address and a port, such as 127.0.0.1:9090 or [::1]:9090".to_owned()
    })
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| "must be a port, from 0 to 65535".into())
}

fn prefetch(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("must be a whole number from 1 to 1000000".into()),
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    match length_of_time(text)? {
        length if length >= LEASE_MIN => Ok(length),
        _ => Err("must be 1s or longer".into()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match length_of_time(text)? {
        Duration::ZERO => Err("must be longer than 0s".into()),
        length => Ok(length),
    }
}

fn length_of_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(length) if length <= LENGTH_MAX => Ok(length),
        Ok(_) => Err("must not be longer than 365d".into()),
        Err(_) => Err("must be a length of time with its unit, such as 250ms, 30s or 0s".into()),
    }
}

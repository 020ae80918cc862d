//! What can be asked for on the command line.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

use super::load::Sender;

/// What to measure, and how long.
#[derive(clap::Args)]
pub struct Args {
    /// The question
    #[arg(value_enum, required_unless_present = "render")]
    pub(super) mode: Option<Mode>,

    /// How long the external call takes
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub(super) delay: Duration,

    /// Webhooks per second, where the mode sends on schedule
    #[arg(long)]
    pub(super) rate: Option<f64>,

    /// Webhooks in each run
    #[arg(long)]
    pub(super) count: Option<u64>,

    /// Length of each run, where it is not a count that ends it
    #[arg(long)]
    pub(super) seconds: Option<u64>,

    /// Runs, alternating with the yardstick's; the figures are medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) runs: u32,

    /// Connections of the load generator, where it sends as fast as it can: enough that the service, and not the
    /// number of senders, sets the pace
    #[arg(long, default_value_t = 256)]
    pub(super) connections: usize,

    /// Cores that the API's process may use, such as 0.25: a limit as containers have it, by a control group
    #[arg(long)]
    pub(super) cpus: Option<f64>,

    /// What overload offers, times what can be carried; one series for each
    #[arg(long, value_delimiter = ',', default_value = "2")]
    pub(super) factor: Vec<f64>,

    /// Connections of the overload, each of which sends nothing more while it waits for an answer. Unless given, there
    /// are 8,000, and what finds none free counts as late; with --cpus, 1,000
    #[arg(long)]
    pub(super) senders: Option<usize>,

    /// Measure this source's webhooks, too, beside those of the built-in one: with ingest, embedded, and pipeline without
    /// delay
    #[arg(long, value_enum)]
    pub(super) source: Option<Sender>,

    /// With latency: so many forged requests a minute beside the genuine ones, in a series of its own
    #[arg(long, value_name = "PER_MINUTE")]
    pub(super) forged: Option<f64>,

    /// Send head and body of a request apart, as some clients do
    #[arg(long)]
    pub(super) apart: bool,

    /// Check correctness in a few seconds; measure nothing
    #[arg(long)]
    pub(super) smoke: bool,

    /// Write all results here
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write plots (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) plots: Option<PathBuf>,

    /// Rather than measure anything: write the figures in docs/benchmarks/ into docs/BENCHMARKS.md, and draw their plots
    #[arg(long, exclusive = true)]
    pub(super) render: bool,
}

/// The questions.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Highest rate of 202s, with everything running and with the broker away
    Ingest,
    /// Highest rate from request to PROCESSED; with --delay 30s, in steady state
    Pipeline,
    /// How long a sender waits, at a steady rate and alone
    Latency,
    /// More than can be carried: twice, or --factor
    Overload,
    /// Memory per webhook in flight
    Inflight,
    /// The rate on tables of 0, 1 million and 10 million rows
    Growth,
    /// A storm of repeats
    Duplicates,
    /// The defaults: SQLite, and a queue inside the process
    Embedded,
    /// 10 million old rows (or --count) are taken away under 5,000 webhooks a second
    Retention,
    /// 100,000 failed transactions (or --count) are retried at 2,000 a second beside 1,000 new ones a second, as calls that
    /// take --delay
    Retries,
    /// Every list, look-up and page on 10 million rows (or --count)
    Lists,
    /// Everything, one after the other
    All,
}

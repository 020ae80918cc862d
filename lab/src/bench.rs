//! The benchmark: starts what it measures, beside it what the same machine does with no service, checks every run, and
//! tells the ratio. It knows the product from the outside only: the binary, its settings, HTTP, and the tables.

mod cpu_limit;
mod document;
mod load;
mod mode;
mod plot;
mod report;
mod service;
mod site;
mod trial;
mod usage;
mod yardstick;

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use self::report::median;
use self::{report::Report, yardstick::fastapi::Stack};
use crate::{hookline::binary, machine::Machine, servers::Servers};

/// Webhooks of a smoke run.
const SMOKE_COUNT: u64 = 2_000;
/// Seconds of a smoke run.
const SMOKE_SECONDS: u64 = 2;
/// How long the simulated external call takes by default.
const REAL_DELAY: Duration = Duration::from_secs(30);

/// What to measure, and how long.
#[derive(clap::Args)]
pub struct Args {
    /// The question
    #[arg(value_enum, required_unless_present = "render")]
    mode: Option<Mode>,

    /// How long the simulated external call takes
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    delay: Duration,

    /// Webhooks per second, where the mode sends on schedule
    #[arg(long)]
    rate: Option<f64>,

    /// Webhooks in each run
    #[arg(long)]
    count: Option<u64>,

    /// Length of each run, where it is not a count that ends it
    #[arg(long)]
    seconds: Option<u64>,

    /// Runs, alternating with the yardstick's; the figures are medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,

    /// Connections of the load generator, where it sends as fast as it can: enough that the service, and not the
    /// number of senders, sets the pace
    #[arg(long, default_value_t = 256)]
    connections: usize,

    /// Cores that the API's process may use, such as 0.25: a limit as containers have it, by a control group
    #[arg(long)]
    cpus: Option<f64>,

    /// What overload offers, times what can be carried; one series for each
    #[arg(long, value_delimiter = ',', default_value = "2")]
    factor: Vec<f64>,

    /// Connections of the overload, each of which sends nothing more while it waits for an answer. Unless given, there
    /// are 8,000, and what finds none free counts as late; with --cpus, 1,000
    #[arg(long)]
    senders: Option<usize>,

    /// Send head and body of a request apart, as some clients do
    #[arg(long)]
    apart: bool,

    /// Check correctness in a few seconds; measure nothing
    #[arg(long)]
    smoke: bool,

    /// Write all results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write plots (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,

    /// Rather than measure anything: write the figures in docs/benchmarks/ into docs/BENCHMARKS.md, and draw their plots
    #[arg(long, exclusive = true)]
    render: bool,
}

/// The questions.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
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
    /// Everything, one after the other
    All,
}

/// What every mode works with.
struct Bench {
    args: Args,
    binary: PathBuf,
    servers: Option<Servers>,
    report: Report,
    progress: ProgressBar,
}

/// Measures, and prints what came out. An error means that something went wrong or that a check failed; a missed target
/// is a result.
pub async fn run(args: Args) -> Result<()> {
    let Some(mode) = args.mode else {
        return document::write(Path::new("docs"));
    };
    let binary = binary::find(args.smoke)?;
    let progress = ProgressBar::no_length();
    progress.set_style(ProgressStyle::with_template(
        "{msg} {wide_bar} {pos}/{len} {elapsed}",
    )?);
    let servers = match (mode, args.smoke) {
        (Mode::Embedded, true) => None,
        _ => {
            progress.set_message("starting PostgreSQL and RabbitMQ");
            Some(Servers::start().await?)
        }
    };
    let machine = Machine::describe(&binary, servers.as_ref()).await?;
    let mut bench = Bench {
        report: Report::new(crate::document::command(), machine),
        args,
        binary,
        servers,
        progress,
    };
    bench.ask(mode).await?;
    bench.finish()
}

impl Bench {
    async fn ask(&mut self, mode: Mode) -> Result<()> {
        match mode {
            Mode::Ingest => mode::ingest::run(self).await,
            Mode::Pipeline if self.args.delay > Duration::ZERO => {
                mode::steady::run(self, self.args.delay).await
            }
            Mode::Pipeline => mode::pipeline::run(self).await,
            Mode::Latency => mode::latency::run(self).await,
            Mode::Overload => mode::overload::run(self).await,
            Mode::Inflight => mode::inflight::run(self).await,
            Mode::Growth => mode::growth::run(self).await,
            Mode::Duplicates => mode::duplicates::run(self).await,
            Mode::Embedded => mode::embedded::run(self).await,
            Mode::All => {
                mode::ingest::run(self).await?;
                mode::pipeline::run(self).await?;
                mode::steady::run(self, REAL_DELAY).await?;
                mode::latency::run(self).await?;
                mode::overload::run(self).await?;
                mode::inflight::run(self).await?;
                mode::growth::run(self).await?;
                mode::duplicates::run(self).await?;
                mode::embedded::run(self).await
            }
        }
    }

    /// The FastAPI stack, installed; none where that cannot be done, and none in a smoke run, which must do without the
    /// network.
    async fn fastapi(&self) -> Option<Stack> {
        if self.args.smoke {
            return None;
        }
        self.phase("installing FastAPI", 0);
        let stack = Stack::install(&self.binary).await;
        let left_out = |error| self.say(&format!("FastAPI is left out: {error:#}"));
        stack.map_err(left_out).ok()
    }

    fn servers(&self) -> Result<&Servers> {
        self.servers.as_ref().context("this mode has no servers")
    }

    /// The runs to do, counted from 1.
    fn runs(&self) -> impl Iterator<Item = u32> + use<> {
        let runs: RangeInclusive<u32> = 1..=if self.args.smoke { 1 } else { self.args.runs };
        runs
    }

    /// Webhooks in a run.
    fn count(&self, usual: u64) -> u64 {
        match self.args.smoke {
            true => SMOKE_COUNT,
            false => self.args.count.unwrap_or(usual),
        }
    }

    /// The length of a run.
    fn time(&self, usual: u64) -> Duration {
        Duration::from_secs(match self.args.smoke {
            true => SMOKE_SECONDS,
            false => self.args.seconds.unwrap_or(usual),
        })
    }

    /// Shows what goes on now.
    fn phase(&self, what: &str, count: u64) {
        self.progress.reset();
        self.progress.set_length(count);
        self.progress.set_message(what.to_owned());
    }

    /// A line that stays.
    fn say(&self, line: &str) {
        if !self.args.smoke {
            self.progress.suspend(|| eprintln!("{line}"));
        }
    }

    fn finish(self) -> Result<()> {
        self.progress.finish_and_clear();
        if self.args.smoke {
            println!("smoke: every check passed");
            return Ok(());
        }
        print!("{}", self.report.tables());
        if let Some(folder) = &self.args.plots {
            plot::write(&self.report.curves, folder)?;
        }
        if let Some(file) = &self.args.json {
            let json = serde_json::to_string_pretty(&self.report)? + "\n";
            crate::document::write(file, &json)?;
        }
        Ok(())
    }
}

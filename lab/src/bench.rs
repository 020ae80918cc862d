//! The benchmark: starts what it measures, beside it what the same machine does with no service, checks every run, and
//! tells the ratio. It knows the product from the outside only: the binary, its settings, HTTP, and the tables.

mod args;
mod cpu_limit;
mod document;
mod invocation;
mod load;
mod mode;
mod plot;
mod report;
mod service;
mod site;
mod trial;
mod usage;
mod yardstick;

use std::{path::Path, time::Duration};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

pub use self::args::Args;
use self::{args::Mode, invocation::Bench, report::Report};
use crate::{hookline::binary, machine::Machine, servers::Servers};

/// How long the simulated external call takes by default.
const REAL_DELAY: Duration = Duration::from_secs(30);

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
    ask(&mut bench, mode).await?;
    bench.finish()
}

async fn ask(bench: &mut Bench, mode: Mode) -> Result<()> {
    match mode {
        Mode::Ingest => mode::ingest::run(bench).await,
        Mode::Pipeline if bench.args.delay > Duration::ZERO => {
            mode::steady::run(bench, bench.args.delay).await
        }
        Mode::Pipeline => mode::pipeline::run(bench).await,
        Mode::Latency => mode::latency::run(bench).await,
        Mode::Overload => mode::overload::run(bench).await,
        Mode::Inflight => mode::inflight::run(bench).await,
        Mode::Growth => mode::growth::run(bench).await,
        Mode::Duplicates => mode::duplicates::run(bench).await,
        Mode::Embedded => mode::embedded::run(bench).await,
        Mode::All => {
            mode::ingest::run(bench).await?;
            mode::pipeline::run(bench).await?;
            mode::steady::run(bench, REAL_DELAY).await?;
            mode::latency::run(bench).await?;
            mode::overload::run(bench).await?;
            mode::inflight::run(bench).await?;
            mode::growth::run(bench).await?;
            mode::duplicates::run(bench).await?;
            mode::embedded::run(bench).await
        }
    }
}

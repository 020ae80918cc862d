//! The benchmark: starts what it measures, beside it what the same machine does without it, checks every run, and
//! tells the ratio. It knows the product from the outside only: the binary, its settings, HTTP, and the tables.

mod args;
mod client;
mod cpu_limit;
mod downstream;
mod end_to_end;
mod invocation;
mod load;
mod mode;
mod page;
mod plot;
mod processor;
mod report;
mod series;
mod service;
mod site;
mod trial;
mod wait;
mod yardstick;

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use clap::ValueEnum as _;

pub use self::args::Args;
use self::{args::Mode, invocation::Bench, report::Report};
use crate::{document, hookline::binary, machine::Machine, servers::Servers};

/// How long the simulated external call takes by default.
const REAL_DELAY: Duration = Duration::from_secs(30);

/// Measures, and prints what came out. An error means that something went wrong or that a check failed; a missed target
/// is a result.
pub async fn run(args: Args) -> Result<()> {
    let Some(mode) = args.mode else {
        return page::write(Path::new("docs"));
    };
    let takes_source = match mode {
        Mode::Ingest | Mode::Embedded | Mode::All => true,
        Mode::Pipeline => args.delay.is_zero(),
        _ => false,
    };
    ensure!(
        args.source.is_none() || takes_source,
        "--source goes with ingest, embedded, and pipeline without delay"
    );
    let binary = binary::find(args.smoke)?;
    let servers = match (mode, args.smoke) {
        (Mode::Embedded, true) => None,
        _ => Some(Servers::start().await?),
    };
    let machine = Machine::describe(&binary, servers.as_ref()).await?;
    let delay = args.delay;
    let mut bench = Bench {
        report: Report::new(document::command(), machine),
        args,
        binary,
        servers,
    };
    if mode == Mode::All {
        for mode in Mode::value_variants() {
            ask(&mut bench, *mode, Duration::ZERO).await?;
        }
        ask(&mut bench, Mode::Pipeline, REAL_DELAY).await?;
    } else {
        ask(&mut bench, mode, delay).await?;
    }
    finish(&bench)
}

async fn ask(bench: &mut Bench, mode: Mode, delay: Duration) -> Result<()> {
    let name = mode.to_possible_value();
    bench.report.mode = name.map_or_else(String::new, |name| name.get_name().to_owned());
    match mode {
        Mode::Ingest => mode::rates::ingest(bench).await,
        Mode::Pipeline if delay > Duration::ZERO => mode::steady::run(bench, delay).await,
        Mode::Pipeline => mode::pipeline::run(bench).await,
        Mode::Latency => mode::latency::run(bench).await,
        Mode::Overload => mode::overload::run(bench).await,
        Mode::Inflight => mode::inflight::run(bench).await,
        Mode::Growth => mode::rates::growth(bench).await,
        Mode::Duplicates => mode::rates::duplicates(bench).await,
        Mode::Embedded => mode::rates::embedded(bench).await,
        Mode::Retention => mode::retention::run(bench).await,
        Mode::Retries => mode::retries::run(bench, delay).await,
        Mode::Lists => mode::lists::run(bench).await,
        // It asks for the others, one after the other.
        Mode::All => Ok(()),
    }
}

fn finish(bench: &Bench) -> Result<()> {
    if bench.args.smoke {
        println!("smoke: every check passed");
        return Ok(());
    }
    let report = &bench.report;
    print!(
        "{}\n{}",
        page::section(report),
        page::targets([("", report)])
    );
    if let Some(folder) = &bench.args.plots {
        plot::write(&report.curves, folder, |_| true)?;
    }
    if let Some(file) = &bench.args.json {
        document::write(file, &(serde_json::to_string_pretty(report)? + "\n"))?;
    }
    Ok(())
}

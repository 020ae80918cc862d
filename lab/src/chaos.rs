//! Faults: breaks everything around the service while senders send and readers read, mends it, waits until it is
//! quiet, and checks that nothing was lost, nothing was done twice and nothing is stuck.

mod check;
mod document;
mod far_side;
mod fault;
mod history;
mod jobs;
mod load;
mod observer;
mod report;
mod run;
mod schedule;
mod summary;
mod webhook;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};

use self::{fault::Fault, jobs::Chaos, report::Report, world::Work};
use crate::{hookline::binary, machine::Machine};

/// What the work is unless it is said otherwise: what every version of the service knows.
const WORK: Work = Work::Simulate;
/// What to break, and how often.
#[derive(clap::Args)]
pub struct Args {
    /// Name every fault, and say why one cannot be injected here
    #[arg(long)]
    list: bool,

    /// A fault to inject, by its name in --list; may be given several times [default: all but the rare ones]
    #[arg(
        long = "fault",
        value_enum,
        value_name = "NAME",
        hide_possible_values = true
    )]
    faults: Vec<Fault>,

    /// What everything follows from: the same seed, the same schedule
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Runs of each fault, with consecutive seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,

    /// Rather than one fault per run: one run of so many minutes with one fault after the other
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: Option<u64>,

    /// Webhooks per second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2000))]
    rate: u16,

    /// What the work is, where the fault is not about what it calls
    #[arg(long, value_enum, default_value_t = WORK)]
    work: Work,

    /// Runs side by side, each in a world of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,

    /// A build of the service with the feature `failpoints`, for the loops over them; without it processes die at random
    /// instants
    #[arg(long, value_name = "FILE")]
    failpoints_binary: Option<PathBuf>,

    /// Keep every process's log in this folder, and what each run came to, below it by fault and seed
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,

    /// Write what all runs of each fault come to here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Rather than break anything: write the results in these files into docs/RELIABILITY.md
    #[arg(long, value_name = "FILE", num_args = 1..)]
    render: Vec<PathBuf>,
}

/// Injects faults, and prints what came out. The exit code says whether everything that must be none is none.
pub async fn run(mut args: Args) -> Result<ExitCode> {
    if args.list {
        list(&args);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.render.is_empty() {
        document::write(&args.render)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &mut args.failpoints_binary {
        // Its processes stand somewhere else.
        let found = file.canonicalize();
        *file = found.with_context(|| format!("there is no {}", file.display()))?;
    }
    let binary = binary::find(true)?;
    let has_http = knows_http(&binary)?;
    ensure!(
        has_http || args.work == Work::Simulate,
        "--work http needs a hookline that knows PROCESS_URL, and this one does not"
    );
    let report = Report {
        command: crate::document::command(),
        machine: Machine::describe(&binary, None).await?,
        planned: 0,
        runs: Vec::new(),
        skipped: BTreeMap::new(),
        broken: Vec::new(),
        starved: Vec::new(),
    };
    Chaos::new(args, binary, report).run(has_http).await
}

/// Whether the work of this hookline can be a call.
fn knows_http(binary: &Path) -> Result<bool> {
    let help = std::process::Command::new(binary).arg("--help").output();
    let help = help.context("cannot run hookline")?.stdout;
    Ok(String::from_utf8_lossy(&help).contains("PROCESS_URL"))
}

fn list(args: &Args) {
    // Without a binary to ask, a fault is listed as if it could be injected.
    let has_http = binary::find(true).and_then(|binary| knows_http(&binary));
    let has_http = has_http.unwrap_or(true);
    for about in fault::all() {
        let name = about.fault.name();
        let rare = if about.traits.rare {
            " (only by name)"
        } else {
            ""
        };
        println!("{:4} {name:24} {}{rare}", about.row, about.says);
        let obstacle = about
            .fault
            .obstacle(has_http, args.failpoints_binary.is_some());
        if let Some(reason) = obstacle {
            println!("{:29} NOT HERE: {reason}", "");
        }
    }
}

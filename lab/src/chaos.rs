//! Faults: breaks everything around the service while senders send and readers read, mends it, waits until it is
//! quiet, and checks that nothing was lost, nothing was done twice and nothing is stuck.

mod args;
mod check;
mod document;
mod downstream;
mod fault;
mod history;
mod jobs;
mod load;
mod locked;
mod observer;
mod report;
mod run;
mod schedule;
mod summary;
mod table;
mod webhook;
mod world;

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, ensure};

pub use self::args::Args;
use self::{jobs::Chaos, report::Report, world::Work};
use crate::{hookline::binary, machine::Machine};

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

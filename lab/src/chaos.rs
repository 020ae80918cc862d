//! Faults: breaks everything around the service while senders send and readers read, mends it, waits until it is
//! quiet, and checks that nothing was lost, nothing was done twice and nothing is stuck.

mod acts;
mod args;
mod check;
mod downstream;
mod fault;
mod figures;
mod files;
mod history;
mod jobs;
mod load;
mod locked;
mod observer;
mod operator;
mod render;
mod retention;
mod run;
mod schedule;
mod stop;
mod summary;
mod webhook;
mod world;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

pub use self::args::Args;
use self::{files::Files, jobs::Chaos, summary::Summary};
use crate::{document, hookline::binary, machine::Machine};

/// Injects faults, and prints what came out. The exit code says whether everything that must be none is none.
pub async fn run(mut args: Args) -> Result<ExitCode> {
    if args.list {
        list(&args);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.render.is_empty() {
        render::write(&args.render)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &mut args.failpoints_binary {
        // Its processes stand somewhere else.
        let found = file.canonicalize();
        *file = found.with_context(|| format!("there is no {}", file.display()))?;
    }
    let binary = binary::find(true)?;
    let summary = Summary {
        command: document::command(),
        machine: Machine::describe(&binary, None).await?,
        ..Summary::default()
    };
    let chaos = Chaos {
        files: Files::of(args.jobs)?,
        args,
        binary,
        jobs: Default::default(),
        summary: summary.into(),
    };
    chaos.run().await
}

fn list(args: &Args) {
    for about in fault::all() {
        let name = about.fault.name();
        let rare = match about.traits.rare {
            true => " (only by name)",
            false => "",
        };
        println!("{:4} {name:24} {}{rare}", about.row, about.says);
        let obstacle = about.fault.obstacle(args.failpoints_binary.is_some());
        if let Some(reason) = obstacle {
            println!("{:29} NOT HERE: {reason}", "");
        }
    }
}

//! Faults: breaks everything around the service while senders send and readers read, mends it, waits until it is
//! quiet, and checks that nothing was lost, nothing was done twice and nothing is stuck.

mod check;
mod far_side;
mod fault;
mod history;
mod load;
mod observer;
mod proxy;
mod report;
mod run;
mod schedule;
mod webhook;
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    fault::Fault,
    report::Report,
    run::Task,
    schedule::Step,
    world::{Ground, Kind, Plan, Work},
};
use crate::{hookline::binary, machine::Machine};

/// What the work is unless it is said otherwise: what every version of the service knows.
const WORK: Work = Work::Simulate;
/// How many processes race in the fault that is about that.
const RACERS: u32 = 8;
/// How long a run takes beside its faults, for the progress bar.
const BESIDE: Duration = Duration::from_secs(15);

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

    /// What the work is
    #[arg(long, value_enum, default_value_t = WORK)]
    work: Work,

    /// A build of the service that has failpoints, for the loop over them; the service has none yet, and without it
    /// processes die at random instants
    #[arg(long, value_name = "FILE")]
    failpoints_binary: Option<PathBuf>,

    /// Keep every process's log in this folder, below it by fault and seed
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,

    /// Write all results here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Injects faults, and prints what came out. The exit code says whether everything that must be none is none.
pub async fn run(args: Args) -> Result<ExitCode> {
    if args.list {
        list(&args);
        return Ok(ExitCode::SUCCESS);
    }
    let binary = binary::find(true)?;
    if args.work == Work::Http {
        let help = std::process::Command::new(&binary).arg("--help").output();
        let help = help.context("cannot run hookline")?.stdout;
        ensure!(
            String::from_utf8_lossy(&help).contains("PROCESS_URL"),
            "--work http needs a hookline that knows PROCESS_URL, and this one does not"
        );
    }
    let progress = ProgressBar::no_length();
    progress.set_style(ProgressStyle::with_template(
        "{msg} {wide_bar} {pos}/{len} s",
    )?);
    let chaos = Chaos {
        report: Report {
            command: command(),
            machine: Machine::describe(&binary, None).await?,
            runs: Vec::new(),
            skipped: BTreeMap::new(),
            broken: Vec::new(),
        },
        args,
        binary,
        progress,
        ground: None,
    };
    chaos.run().await
}

fn list(args: &Args) {
    for about in fault::TABLE {
        let name = about.fault.name();
        let rare = if about.traits.rare {
            " (only by name)"
        } else {
            ""
        };
        println!("{:4} {name:24} {}{rare}", about.row, about.says);
        let obstacle = about
            .fault
            .obstacle(args.work, args.failpoints_binary.is_some());
        if let Some(reason) = obstacle {
            println!("{:29} NOT HERE: {reason}", "");
        }
    }
}

/// What every run works with.
struct Chaos {
    args: Args,
    binary: PathBuf,
    progress: ProgressBar,
    report: Report,
    /// The servers of the last run, which serve the next if it needs the same.
    ground: Option<(Kind, Ground)>,
}

impl Chaos {
    async fn run(mut self) -> Result<ExitCode> {
        let faults = self.faults();
        let seeds = self.args.seed..self.args.seed + self.args.seeds;
        match self.args.minutes {
            Some(minutes) => {
                for seed in seeds {
                    let time = Duration::from_secs(60 * minutes);
                    let mixing: Vec<Fault> = match self.args.faults.is_empty() {
                        true => schedule::mixing(),
                        false => self.args.faults.clone(),
                    };
                    let mixing = mixing.into_iter().filter(|fault| faults.contains(fault));
                    let steps = schedule::soak(&mixing.collect::<Vec<_>>(), seed, time);
                    self.attempt("soak".into(), "F4", seed, steps).await;
                }
            }
            None => {
                for fault in faults {
                    for seed in seeds.clone() {
                        let steps = schedule::single(fault, seed);
                        let row = fault.about().row;
                        self.attempt(fault.name(), row, seed, steps).await;
                    }
                }
            }
        }
        self.finish()
    }

    /// The faults that are asked for and can be injected here; notes those that cannot.
    fn faults(&mut self) -> Vec<Fault> {
        let asked: Vec<Fault> = match self.args.faults.is_empty() {
            true => {
                let usual = fault::TABLE.iter().filter(|about| !about.traits.rare);
                usual.map(|about| about.fault).collect()
            }
            false => self.args.faults.clone(),
        };
        let has_failpoints = self.args.failpoints_binary.is_some();
        let mut faults = Vec::new();
        for fault in asked {
            match fault.obstacle(self.args.work, has_failpoints) {
                None => faults.push(fault),
                Some(reason) => {
                    self.say(&format!("skipped {}: {reason}", fault.name()));
                    self.report.skipped.insert(fault.name(), reason);
                }
            }
        }
        faults
    }

    /// One run, whatever becomes of it.
    async fn attempt(&mut self, name: String, row: &'static str, seed: u64, steps: Vec<Step>) {
        match self.carry_out(name.clone(), row, seed, steps).await {
            Ok(run) => {
                self.say(&run.line());
                self.report.runs.push(run);
            }
            Err(error) => {
                let broken = format!("{name} (seed {seed}): {error:#}");
                self.say(&broken);
                self.report.broken.push(broken);
                // Whatever state the servers are in, the next run gets others.
                self.ground = None;
            }
        }
        // What has been found so far must not depend on what comes after.
        if let Some(file) = &self.args.json
            && let Err(error) = self.report.write(file)
        {
            self.say(&format!("{error:#}"));
        }
    }

    async fn carry_out(
        &mut self,
        name: String,
        row: &'static str,
        seed: u64,
        steps: Vec<Step>,
    ) -> Result<report::Run> {
        let time: Duration = steps.iter().map(|step| step.after() + step.lasts()).sum();
        self.progress.reset();
        self.progress.set_length((time + BESIDE).as_secs());
        self.progress.set_message(format!("{name}, seed {seed}"));
        let traits: Vec<&fault::Traits> = steps
            .iter()
            .map(|step| &step.fault.about().traits)
            .collect();
        let kind = traits.iter().map(|traits| traits.ground).max();
        let kind = kind.context("there is nothing to inject")?;
        let logs = match &self.args.logs {
            Some(folder) => Some(made(&folder.join(format!("{name}-{seed}")))?),
            None => None,
        };
        let races = steps.iter().any(|step| step.fault == Fault::MigrationRace);
        let any = |is: fn(&fault::Traits) -> bool| traits.iter().any(|traits| is(traits));
        let delay = traits.iter().map(|traits| traits.delay_ms).max();
        let task = Task {
            name,
            row,
            rate: f64::from(self.args.rate),
            lapse: any(|traits| traits.loses_messages),
            dead_letters: any(|traits| traits.dead_letters),
            overlaps: any(|traits| traits.overlaps),
            times: traits.iter().map(|traits| traits.times).fold(1.0, f64::max),
            plan: Plan {
                binary: &self.binary,
                failpoints: self.args.failpoints_binary.as_deref(),
                logs: logs.as_deref(),
                work: self.args.work,
                delay: Duration::from_millis(delay.unwrap_or_default()),
                migrators: if races { RACERS } else { 1 },
                seed,
                progress: self.progress.clone(),
            },
            steps,
        };
        let ground = match &mut self.ground {
            Some((standing, ground)) if *standing == kind => ground,
            other => {
                *other = None;
                let ground = Ground::start(kind).await?;
                &mut other.insert((kind, ground)).1
            }
        };
        run::run(ground, task).await
    }

    /// A line that stays.
    fn say(&self, line: &str) {
        self.progress.suspend(|| eprintln!("{line}"));
    }

    fn finish(self) -> Result<ExitCode> {
        self.progress.finish_and_clear();
        print!("{}", self.report.table());
        if let Some(file) = &self.args.json {
            self.report.write(file)?;
        }
        Ok(match self.report.is_clean() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

fn made(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A process that writes there may stand somewhere else.
    Ok(folder.canonicalize()?)
}

/// The command line without the program's folder.
fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("lab {}", arguments.join(" "))
}

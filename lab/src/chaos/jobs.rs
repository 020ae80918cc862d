//! The runs that are asked for, and the workers that carry them out side by side.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::{
    args::Args,
    fault::Fault,
    files::{CLOSED_WITHIN, Files},
    locked::locked,
    render::for_terminal,
    run,
    schedule::{self, Job},
    summary::{Run, Summary},
    world::{Kind, Plan, Servers, Work},
};
use crate::document;

/// The part of the transactions that downstream refuses, so that an operator has something to retry.
const REFUSES: f64 = 0.02;
/// How many processes race in the fault that is about that.
const RACERS: u32 = 8;
/// Beside a run's logs: everything that it came to.
const RUN: &str = "run.json";

/// What all workers share.
pub(super) struct Chaos {
    pub(super) args: Args,
    pub(super) binary: PathBuf,
    pub(super) files: Arc<Files>,
    /// What is left to do.
    pub(super) jobs: Mutex<Vec<Job>>,
    pub(super) summary: Mutex<Summary>,
}

impl Chaos {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let jobs = self.plan()?;
        locked(&self.summary).planned = jobs.len();
        *locked(&self.jobs) = jobs;
        let workers = (0..self.args.jobs).map(|_| self.work());
        tokio::select! {
            _ = futures::future::join_all(workers) => {}
            broken = self.files.watch() => broken?,
        }
        let summary = self.summary.into_inner();
        let summary = summary.unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.args.json {
            summary.write(file)?;
        }
        print!("{}", for_terminal(&summary));
        Ok(match summary.is_clean() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// Every run that is asked for, in the order of the list.
    fn plan(&self) -> Result<Vec<Job>> {
        let asked: Vec<Fault> = match (self.args.faults.as_slice(), self.args.minutes) {
            ([], None) => schedule::usual(),
            ([], Some(_)) => schedule::mixing(),
            (named, _) => named.to_vec(),
        };
        let faults = self.without_obstacles(asked);
        let seeds = self.args.seed..self.args.seed + self.args.seeds;
        match self.args.minutes {
            Some(minutes) => {
                let time = Duration::from_secs(60 * minutes);
                seeds.map(|seed| Job::soak(&faults, seed, time)).collect()
            }
            None => {
                let each = faults.iter().flat_map(|fault| {
                    let seeds = seeds.clone();
                    seeds.map(|seed| Job::single(*fault, seed))
                });
                Ok(each.collect())
            }
        }
    }

    /// Those that can be injected here; notes the others.
    fn without_obstacles(&self, mut faults: Vec<Fault>) -> Vec<Fault> {
        let has_failpoints = self.args.failpoints_binary.is_some();
        faults.retain(|fault| {
            let Some(reason) = fault.obstacle(has_failpoints) else {
                return true;
            };
            eprintln!("not injected: {}: {reason}", fault.name());
            locked(&self.summary).skipped.insert(fault.name(), reason);
            false
        });
        faults
    }

    /// One run after the other until none is left.
    async fn work(&self) {
        // Those of the last run, which serve the next if it needs the same.
        let mut servers = None;
        while let Some(job) = self.next_job(servers.as_ref().map(|servers: &Servers| servers.kind))
        {
            self.attempt(&job, &mut servers).await;
        }
    }

    /// The next run for a worker that has servers of this kind: one that needs the same, or the first of all.
    fn next_job(&self, kind: Option<Kind>) -> Option<Job> {
        let mut jobs = locked(&self.jobs);
        let mut kinds = jobs.iter().map(|job| Some(job.traits.servers));
        let at = kinds.position(|needs| needs == kind).unwrap_or(0);
        (at < jobs.len()).then(|| jobs.remove(at))
    }

    /// One run, whatever becomes of it.
    async fn attempt(&self, job: &Job, servers: &mut Option<Servers>) {
        let title = format!("{} (seed {})", job.name, job.seed);
        let left = locked(&self.jobs).len();
        eprintln!("{title} begins, {left} wait");
        let began = Instant::now();
        self.files.run_begins();
        let outcome = self.carry_out(job, servers).await;
        let ended = self.files.run_ends(began, CLOSED_WITHIN).await;
        let outcome = outcome.and_then(|run| ended.map(|()| run));
        if outcome.is_err() {
            // Whatever state the servers are in, the next run gets others.
            *servers = None;
        }
        if let Err(error) = outcome.and_then(|run| self.note(&title, run)) {
            let broken = format!("{title}: {error:#}");
            eprintln!("{broken}");
            locked(&self.summary).broken.push(broken);
        }
        // What has been found so far must not depend on what comes after.
        if let Some(file) = &self.args.json
            && let Err(error) = locked(&self.summary).write(file)
        {
            eprintln!("{error:#}");
        }
    }

    fn note(&self, title: &str, run: Run) -> Result<()> {
        let figures = &run.figures;
        if !run.is_starved() {
            eprintln!("{title}: {figures}");
            return locked(&self.summary).add(&run);
        }
        let starved = format!(
            "{title}: the machine had no time for the harness, which woke {} ms late; what was found proves nothing: {figures}",
            figures.worst("behind_ms").unwrap_or_default(),
        );
        eprintln!("{starved}");
        locked(&self.summary).starved.push(starved);
        Ok(())
    }

    async fn carry_out(&self, job: &Job, servers: &mut Option<Servers>) -> Result<Run> {
        let logs = match &self.args.logs {
            Some(folder) => Some(made(&folder.join(format!("{}-{}", job.name, job.seed)))?),
            None => None,
        };
        let mut faults = job.steps.iter().map(|step| step.fault);
        let races = faults.any(|fault| fault == Fault::MigrationRace);
        let plan = Plan {
            binary: &self.binary,
            failpoints: self.args.failpoints_binary.as_deref(),
            logs: logs.as_deref(),
            work: match job.traits.downstream {
                true => Work::Http,
                false => self.args.work,
            },
            delay: Duration::from_millis(job.traits.delay_ms),
            files: &self.files,
            is_about_calls: job.traits.downstream,
            refuses: match job.traits.bounds.forbids_acts() {
                true => 0.0,
                false => REFUSES,
            },
            migrators: if races { RACERS } else { 1 },
            seed: job.seed,
        };
        let kind = job.traits.servers;
        if servers.as_ref().is_none_or(|servers| servers.kind != kind) {
            // The old ones go first.
            *servers = None;
            *servers = Some(Servers::start(kind).await?);
        }
        let servers = servers.as_mut().context("there are no servers")?;
        let run = run::run(servers, job, &plan, self.args.rate.into()).await?;
        if let Some(folder) = &logs {
            document::write(&folder.join(RUN), &serde_json::to_string_pretty(&run)?)?;
        }
        Ok(run)
    }
}

fn made(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A process that writes there may stand somewhere else.
    Ok(folder.canonicalize()?)
}

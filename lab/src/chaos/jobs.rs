//! The runs that are asked for, and the workers that carry them out side by side.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{
    args::Args,
    check::Bounds,
    fault::{self, Fault},
    locked::locked,
    report::{self, Report},
    run::{self, Task},
    schedule::{self, Step},
    summary::Summary,
    table::table,
    world::{Ground, Kind, Plan, Work},
};
use crate::document;

/// How many processes race in the fault that is about that.
const RACERS: u32 = 8;
/// How long a run takes beside its faults, for the progress bar.
const BESIDE: Duration = Duration::from_secs(15);

/// Beside a run's logs: everything that it came to.
const RUN: &str = "run.json";

/// What all workers share.
pub(super) struct Chaos {
    args: Args,
    binary: PathBuf,
    bars: MultiProgress,
    /// What is left to do.
    jobs: Mutex<Vec<Job>>,
    report: Mutex<Report>,
}

/// One run that is still to be done.
struct Job {
    number: usize,
    name: String,
    row: &'static str,
    seed: u64,
    kind: Kind,
    steps: Vec<Step>,
}

/// The servers of a worker's last run, which serve the next if it needs the same.
type Standing = Option<(Kind, Ground)>;

impl Chaos {
    pub(super) fn new(args: Args, binary: PathBuf, report: Report) -> Self {
        Self {
            report: Mutex::new(report),
            args,
            binary,
            bars: MultiProgress::new(),
            jobs: Mutex::default(),
        }
    }

    pub(super) async fn run(mut self, has_http: bool) -> Result<ExitCode> {
        let jobs = self.plan(has_http)?;
        locked(&self.report).planned = jobs.len();
        *locked(&self.jobs) = jobs;
        let workers = (0..self.args.jobs).map(|_| self.work());
        futures::future::join_all(workers).await;
        self.finish()
    }

    /// Every run that is asked for, in the order of the report.
    fn plan(&mut self, has_http: bool) -> Result<Vec<Job>> {
        let faults = self.faults(has_http);
        let seeds = self.args.seed..self.args.seed + self.args.seeds;
        let mut planned = Vec::new();
        match self.args.minutes {
            Some(minutes) => {
                let time = Duration::from_secs(60 * minutes);
                let mixing: Vec<Fault> = match self.args.faults.is_empty() {
                    true => schedule::mixing(),
                    false => self.args.faults.clone(),
                };
                let mixing = mixing.into_iter().filter(|fault| faults.contains(fault));
                let mixing: Vec<Fault> = mixing.collect();
                for seed in seeds {
                    let steps = schedule::soak(&mixing, seed, time);
                    planned.push(("soak".to_owned(), "F4", seed, steps));
                }
            }
            None => {
                for fault in faults {
                    for seed in seeds.clone() {
                        let steps = schedule::single(fault, seed);
                        planned.push((fault.name(), fault.about().row, seed, steps));
                    }
                }
            }
        }
        let jobs = planned.into_iter().enumerate();
        jobs.map(|(number, (name, row, seed, steps))| {
            let mut kinds = steps.iter().map(|step| step.fault.about().traits.ground);
            let kind = kinds.clone().max().context("there is nothing to inject")?;
            ensure!(
                kinds.all(|other| other == kind || !(other.is_embedded() || kind.is_embedded())),
                "faults of the one process do not mix with others"
            );
            Ok(Job {
                number,
                name,
                row,
                seed,
                kind,
                steps,
            })
        })
        .collect()
    }

    /// The faults that are asked for and can be injected here; notes those that cannot.
    fn faults(&mut self, has_http: bool) -> Vec<Fault> {
        let asked: Vec<Fault> = match self.args.faults.is_empty() {
            true => {
                let usual = fault::all().filter(|about| !about.traits.rare);
                usual.map(|about| about.fault).collect()
            }
            false => self.args.faults.clone(),
        };
        let has_failpoints = self.args.failpoints_binary.is_some();
        let mut faults = Vec::new();
        for fault in asked {
            match fault.obstacle(has_http, has_failpoints) {
                None => faults.push(fault),
                Some(reason) => {
                    self.say(&format!("skipped {}: {reason}", fault.name()));
                    locked(&self.report).skipped.insert(fault.name(), reason);
                }
            }
        }
        faults
    }

    /// One run after the other until none is left.
    async fn work(&self) {
        let bar = self.bars.add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{msg:32!} {wide_bar} {pos}/{len} s") {
            bar.set_style(style);
        }
        let mut standing: Standing = None;
        while let Some(job) = self.next_job(standing.as_ref().map(|(kind, _)| *kind)) {
            self.attempt(job, &mut standing, &bar).await;
        }
        bar.finish_and_clear();
    }

    /// The next run for a worker that has servers of this kind: one that needs the same, or the first of all.
    fn next_job(&self, standing: Option<Kind>) -> Option<Job> {
        let mut jobs = locked(&self.jobs);
        let same = jobs.iter().position(|job| Some(job.kind) == standing);
        let at = same.unwrap_or(0);
        (at < jobs.len()).then(|| jobs.remove(at))
    }

    /// One run, whatever becomes of it.
    async fn attempt(&self, job: Job, standing: &mut Standing, bar: &ProgressBar) {
        let number = job.number;
        let title = format!("{} (seed {})", job.name, job.seed);
        match self.carry_out(job, standing, bar).await {
            Ok(run) if run.is_starved() => {
                let starved = format!(
                    "the machine had no time for the harness, which woke {} ms late; what was found proves nothing: {}",
                    run.behind_ms,
                    run.line()
                );
                self.say(&starved);
                locked(&self.report).starved.push(starved);
            }
            Ok(run) => {
                self.say(&run.line());
                locked(&self.report).add(number, run);
            }
            Err(error) => {
                let broken = format!("{title}: {error:#}");
                self.say(&broken);
                locked(&self.report).broken.push(broken);
                // Whatever state the servers are in, the next run gets others.
                *standing = None;
            }
        }
        // What has been found so far must not depend on what comes after.
        if let Some(file) = &self.args.json
            && let Err(error) =
                Summary::of(&locked(&self.report)).and_then(|summary| summary.write(file))
        {
            self.say(&format!("{error:#}"));
        }
    }

    async fn carry_out(
        &self,
        job: Job,
        standing: &mut Standing,
        bar: &ProgressBar,
    ) -> Result<report::Run> {
        let Job {
            name,
            row,
            seed,
            kind,
            steps,
            ..
        } = job;
        let time: Duration = steps.iter().map(|step| step.after() + step.lasts()).sum();
        bar.reset();
        bar.set_length((time + BESIDE).as_secs());
        bar.set_message(format!("{name}, seed {seed}"));
        let traits: Vec<&fault::Traits> = steps
            .iter()
            .map(|step| &step.fault.about().traits)
            .collect();
        let logs = match &self.args.logs {
            Some(folder) => Some(made(&folder.join(format!("{name}-{seed}")))?),
            None => None,
        };
        let races = steps.iter().any(|step| step.fault == Fault::MigrationRace);
        let any = |is: fn(&fault::Traits) -> bool| traits.iter().any(|traits| is(traits));
        let delay = traits.iter().map(|traits| traits.delay_ms).max();
        let work = match any(|traits| traits.downstream) {
            true => Work::Http,
            false => self.args.work,
        };
        let task = Task {
            name,
            row,
            rate: f64::from(self.args.rate),
            lapse: any(|traits| traits.loses_messages),
            dead_letters: any(|traits| traits.dead_letters),
            overlaps: any(|traits| traits.overlaps),
            times: traits.iter().map(|traits| traits.times).fold(1.0, f64::max),
            bounds: match traits.as_slice() {
                [alone] => alone.bounds,
                // What several at once may cost together, nobody promises.
                _ => Bounds::NONE,
            },
            plan: Plan {
                binary: &self.binary,
                failpoints: self.args.failpoints_binary.as_deref(),
                logs: logs.as_deref(),
                kind,
                work,
                delay: Duration::from_millis(delay.unwrap_or_default()),
                migrators: if races { RACERS } else { 1 },
                seed,
                progress: bar.clone(),
            },
            steps,
        };
        let ground = match standing {
            Some((stands, ground)) if *stands == kind => ground,
            other => {
                *other = None;
                let ground = Ground::start(kind).await?;
                &mut other.insert((kind, ground)).1
            }
        };
        let run = run::run(ground, task).await?;
        if let Some(folder) = &logs {
            document::write(&folder.join(RUN), &serde_json::to_string_pretty(&run)?)?;
        }
        Ok(run)
    }

    /// A line that stays.
    fn say(&self, line: &str) {
        self.bars.suspend(|| eprintln!("{line}"));
    }

    fn finish(self) -> Result<ExitCode> {
        let report = self.report.into_inner();
        let report = report.unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.args.json {
            Summary::of(&report)?.write(file)?;
        }
        print!("{}", table(&report)?);
        Ok(match report.is_clean() {
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

//! How many webhooks per second go all the way, from the request to `PROCESSED`?

use anyhow::Result;

use crate::bench::{
    invocation::Bench,
    processor::Clock,
    report::{Measure, Report, Target},
    series::{Place, Series},
    trial::{Plan, Trial},
    yardstick::{
        bare_pipeline,
        stack::{self, Stack},
    },
};

/// The part of the bare pipeline's rate that is wanted.
const OF_BARE: f64 = 0.5;
/// How many times the rate of Celery is wanted.
const CELERY_TIMES: f64 = 25.0;
/// Length of a run of a Python stack, in seconds.
const STACK_SECONDS: u64 = 10;

/// With no delay: a number of webhooks as fast as the service takes them, until the last is `PROCESSED`.
pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let plan = Plan::new(bench.counted(100_000));
    let celery = Stack::set_up(bench, &stack::CELERY).await;
    let mut bare = Bare::default();
    let mut ours = Series::new(Place::Servers, "0 s delay", plan);
    let mut of_source = ours.of_source(bench);
    let mut theirs = Vec::new();
    for _ in bench.runs() {
        bare.run(bench, plan.load.count).await?;
        ours.run(bench).await?;
        if let Some(of_source) = &mut of_source {
            of_source.run(bench).await?;
        }
        if let Some(celery) = &celery {
            theirs.push(celery.run(bench, STACK_SECONDS).await?);
        }
    }
    let fastapi = match Stack::set_up(bench, &stack::FASTAPI).await {
        Some(fastapi) => vec![fastapi.run(bench, STACK_SECONDS).await?],
        None => vec![],
    };
    let bare = bare.note(bench, "bare pipeline");
    let rate = ours.note_processed(&mut bench.report);
    ours.note_accepted(&mut bench.report);
    let report = &mut bench.report;
    if let Some(of_source) = &of_source {
        of_source.note_processed(report);
        of_source.note_accepted(report);
    }
    let least = Target::AtLeast(OF_BARE);
    report.verdict("0 s delay : bare pipeline", rate / bare, least);
    if let Some(celery) = note_stack(report, stack::CELERY.name, &theirs) {
        let least = Target::AtLeast(CELERY_TIMES);
        report.verdict("0 s delay : Celery", rate / celery, least);
    }
    note_stack(report, stack::FASTAPI.name, &fastapi);
    Ok(())
}

/// Notes what a Python stack reached, if it could run; returns its rate from the request to `PROCESSED`.
fn note_stack(report: &mut Report, name: &str, trials: &[Trial]) -> Option<f64> {
    if trials.is_empty() {
        return None;
    }
    let rates = trials.iter().map(|trial| trial.rate).collect();
    let rate = report.figure(format!("{name}: PROCESSED"), "webhooks/s", rates);
    report.measures(name, trials.iter().map(|trial| &trial.measures));
    Some(rate)
}

/// Runs of the bare pipeline, each with its rate and the processor time that it took.
#[derive(Default)]
pub(super) struct Bare(Vec<(f64, Vec<Measure>)>);

impl Bare {
    /// Makes the next run, with so many rows, and checks it.
    pub(super) async fn run(&mut self, bench: &Bench, count: u64) -> Result<()> {
        let mut site = bench.bare_site().await?;
        let clock = Clock::start(bench.server_processes().collect())?;
        let took = bare_pipeline::run(&site, count).await?;
        let rate = count as f64 / took.as_secs_f64();
        self.0.push((rate, clock.per_webhook(count)?));
        bench.say(&format!("bare pipeline: {rate:.0}/s"));
        site.check(count).await?;
        site.clear().await
    }

    /// Notes rows per second; returns the median.
    pub(super) fn note(&self, bench: &mut Bench, what: &str) -> f64 {
        let report = &mut bench.report;
        let rates = self.0.iter().map(|(rate, _)| *rate).collect();
        let rate = report.figure(what, "rows/s", rates);
        report.measures(what, self.0.iter().map(|(_, measures)| measures));
        rate
    }
}

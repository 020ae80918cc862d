//! How many webhooks per second go all the way, from the request to `PROCESSED`?

use std::time::Duration;

use anyhow::Result;

use super::{RUN_WITHIN, compared::Compared};
use crate::bench::{
    invocation::Bench,
    trial::{self, Clock, Plan, Processor},
    yardstick::{
        bare_pipeline::{self, Tuning},
        fastapi::Stack,
    },
};

const MODE: &str = "pipeline";

/// Length of a run of the FastAPI stack, in seconds.
const FASTAPI_SECONDS: u64 = 10;
/// How many times the rate of the FastAPI stack is wanted, with and without delay.
pub(super) const FASTAPI_TIMES: f64 = 30.0;

/// With no delay: a number of webhooks as fast as the service takes them, until the last is `PROCESSED`.
pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let count = bench.count(100_000);
    let stack = Stack::set_up(bench).await;
    let (mut bare, mut ours, mut peer) = (vec![], vec![], vec![]);
    for run in bench.runs() {
        bare.push(bare_rate(bench, count).await?);
        bench.phase("hookline", count);
        ours.push(trial::on_servers(bench, Plan::closed(bench, count, RUN_WITHIN)).await?);
        if let Some(stack) = &stack {
            peer.push(peer_rate(bench, stack).await?);
        }
        if let (Some((bare, _)), Some(ours)) = (bare.last(), ours.last()) {
            bench.say(&format!(
                "pipeline {run}: bare {bare:.0}/s, hookline {:.0}/s",
                ours.rate
            ));
        }
    }
    let report = &mut bench.report;
    let (bare, processor): (Vec<f64>, Vec<Processor>) = bare.into_iter().unzip();
    let bare = report.figure(MODE, "bare pipeline", "rows/s", bare);
    let processor: Vec<&Processor> = processor.iter().collect();
    trial::note_processor(report, MODE, "bare pipeline", &processor);
    let rates = ours.iter().map(|trial| trial.rate).collect();
    let compared = Compared::note(report, MODE, "0 s delay", "PROCESSED", rates);
    trial::note(report, MODE, "0 s delay", &ours);
    compared.with(report, "bare pipeline", bare, 0.5);
    compared.with_fastapi(report, peer, FASTAPI_TIMES);
    Ok(())
}

/// Rows per second of the bare pipeline, checked, and the processor time that it took.
pub(super) async fn bare_rate(bench: &Bench, count: u64) -> Result<(f64, Processor)> {
    bench.phase("bare pipeline", count);
    let mut site = bench.site().await?;
    let clock = Clock::of_servers(bench)?;
    let took = bare_pipeline::run(&site, count, Tuning::TWO_CORES, &bench.progress).await?;
    let processor = clock.per_webhook(count)?;
    site.check_new(count).await?;
    site.clear().await?;
    Ok((count as f64 / took.as_secs_f64(), processor))
}

/// Webhooks per second of the FastAPI stack, from the request to `PROCESSED`.
pub(super) async fn peer_rate(bench: &Bench, stack: &Stack) -> Result<f64> {
    bench.phase("FastAPI", 0);
    stack
        .rate(bench, Duration::from_secs(FASTAPI_SECONDS))
        .await
}

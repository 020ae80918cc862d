//! How many webhooks per second go all the way when each takes its time, so that many are in flight at once?
//!
//! Webhooks come on schedule for the delay and a while longer. A rate is sustained if every webhook is `PROCESSED`
//! shortly after its delay: then what is in flight has stopped growing at delay × rate. A rate that is not is tried again
//! a step lower; one that is makes the next run start a step higher.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{RUN_WITHIN, pipeline::bare_rate};
use crate::bench::{
    Bench,
    load::Pace,
    report::Target,
    trial::{self, Plan, Trial},
};

const MODE: &str = "pipeline";

/// Rows of a run of the bare pipeline.
const BARE_COUNT: u64 = 100_000;
/// Where the search begins, as a part of the rate without delay.
const FIRST: f64 = 0.8;
/// One step down after a rate that was not sustained, and one up after one that was.
const DOWN: f64 = 0.9;
const UP: f64 = 1.05;
/// Steps down before the search gives up.
const TRIES_MAX: u32 = 8;
/// How long after its delay the last webhook may be `PROCESSED`.
const LATE_MAX: Duration = Duration::from_secs(2);
/// The 99th percentile of the answers' latency, in milliseconds: what senders are promised.
const ANSWER_MAX_MS: f64 = 500.0;

/// With this delay, in steady state.
pub(in crate::bench) async fn run(bench: &mut Bench, delay: Duration) -> Result<()> {
    let time = delay + bench.time(60);
    let mut rate = match bench.args.rate {
        _ if bench.args.smoke => 200.0,
        Some(rate) => rate,
        None => {
            bench.phase("hookline, no delay", BARE_COUNT);
            let plan = Plan::closed(bench, BARE_COUNT, RUN_WITHIN);
            trial::on_servers(bench, plan).await?.rate * FIRST
        }
    };
    let (mut bare, mut ours, mut rates) = (vec![], vec![], vec![]);
    for run in bench.runs() {
        let (rows, _) = bare_rate(bench, bench.count(BARE_COUNT)).await?;
        bare.push(rows);
        let (sustained, trial) = highest(bench, rate, delay, time).await?;
        bench.say(&format!(
            "pipeline {run}: {sustained:.0}/s sustained with {delay:?} of delay"
        ));
        rates.push(sustained);
        ours.push(trial);
        rate = sustained * UP;
    }
    let what = format!("{delay:?} delay");
    let in_flight = ours.iter().map(most_in_flight).collect();
    let report = &mut bench.report;
    let bare = report.figure(
        MODE,
        format!("bare pipeline, beside {what}"),
        "rows/s",
        bare,
    );
    let rate = report.figure(MODE, format!("{what}: sustained"), "webhooks/s", rates);
    let in_flight = report.figure(
        MODE,
        format!("{what}: most in flight"),
        "webhooks",
        in_flight,
    );
    trial::note(report, MODE, &what, &ours);
    report.verdict(
        MODE,
        format!("{what} : bare pipeline"),
        rate / bare,
        Target::AtLeast(0.45),
    );
    let steady = in_flight / rate / delay.as_secs_f64();
    report.verdict(
        MODE,
        format!("{what}: in flight : delay × rate"),
        steady,
        Target::AtMost(1.1),
    );
    Ok(())
}

/// The first rate, from `rate` downwards, that is sustained.
async fn highest(
    bench: &Bench,
    mut rate: f64,
    delay: Duration,
    time: Duration,
) -> Result<(f64, Trial)> {
    for _ in 0..TRIES_MAX {
        bench.phase(
            &format!("hookline, {rate:.0}/s"),
            (rate * time.as_secs_f64()) as u64,
        );
        let plan = Plan {
            pace: Pace::Open(rate),
            count: u64::MAX,
            delay,
            ..Plan::closed(bench, 0, time)
        };
        let trial = trial::on_servers(bench, plan).await?;
        let on_time = trial
            .lag
            .is_some_and(|lag| lag.max <= (delay + LATE_MAX).as_secs_f64());
        if on_time
            && trial.answers.later.is_empty()
            && trial.answers.latency_ms(99.0) <= ANSWER_MAX_MS
        {
            return Ok((rate, trial));
        }
        let lag = trial.lag.map_or_else(String::new, |lag| {
            format!(
                ", PROCESSED after {:.1} s (p50), {:.1} s (p99), {:.1} s (max)",
                lag.p50, lag.p99, lag.max
            )
        });
        bench.say(&format!(
            "pipeline: {rate:.0}/s is not sustained: answers p99 {:.0} ms, {} × 503{lag}",
            trial.answers.latency_ms(99.0),
            trial.answers.later.len(),
        ));
        rate *= DOWN;
    }
    bail!("no rate down to {rate:.0}/s is sustained")
}

/// The most webhooks that were committed and not `PROCESSED` at the end of any second.
fn most_in_flight(trial: &Trial) -> f64 {
    let (mut now, mut most) = (0_i64, 0);
    for second in 0..trial.created.len().max(trial.processed.len()) {
        let count = |counts: &[u64]| counts.get(second).copied().unwrap_or(0).cast_signed();
        now += count(&trial.created) - count(&trial.processed);
        most = most.max(now);
    }
    most as f64
}

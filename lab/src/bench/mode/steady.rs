//! How many webhooks per second go all the way when each takes its time, so that many are in flight at once?
//!
//! Webhooks come on schedule for the delay and a while longer. A rate is sustained if every webhook is `PROCESSED`
//! shortly after its delay: then what is in flight has stopped growing at delay × rate. A rate that is not is tried again
//! a step lower. Each run begins a step above the best so far, so that one run with bad luck does not lower those after
//! it.

use std::time::Duration;

use anyhow::{Result, bail};

use super::pipeline::Bare;
use crate::bench::{
    invocation::Bench,
    load::{Load, Pace},
    report::Target,
    series::note,
    trial::{self, Plan, Trial},
};

/// Webhooks of the run without delay that tells where to begin.
const FIRST_COUNT: u64 = 100_000;
/// Where the search begins, as a part of the rate without delay.
const FIRST: f64 = 0.8;
/// One step down after a rate that was not sustained, and one up from the best that was.
const DOWN: f64 = 0.95;
const UP: f64 = 1.05;
/// Steps down before the search gives up.
const TRIES_MAX: u32 = 16;
/// How long after its delay the last webhook may be `PROCESSED`.
const LATE_MAX: Duration = Duration::from_secs(2);
/// The 99th percentile of the answers' latency, in milliseconds: what senders are promised.
const ANSWER_MAX_MS: f64 = 500.0;
/// The part of the bare pipeline's rate that is wanted.
const OF_BARE: f64 = 0.45;

/// With this delay, in steady state.
pub(in crate::bench) async fn run(bench: &mut Bench, delay: Duration) -> Result<()> {
    let time = delay + bench.time(60);
    let mut rate = match bench.args.rate {
        _ if bench.args.smoke => 200.0,
        Some(rate) => rate,
        None => {
            let plan = Plan::new(bench.counted(FIRST_COUNT));
            trial::on_servers(bench, plan).await?.rate * FIRST
        }
    };
    let (mut bare, mut rates, mut ours) = (Bare::default(), vec![], vec![]);
    let mut best = 0.0_f64;
    for _ in bench.runs() {
        // As many rows as webhooks: its tables grow as large, and its servers write as much to disk.
        let count = (rate * time.as_secs_f64()) as u64;
        bare.run(bench, bench.count(count)).await?;
        let (sustained, trial) = highest(bench, rate, delay, time).await?;
        best = best.max(sustained);
        rate = best * UP;
        rates.push(sustained);
        ours.push(trial);
    }
    let what = format!("{delay:?} delay");
    let bare = bare.note(bench, &format!("bare pipeline, beside {what}"));
    let report = &mut bench.report;
    let sustained = report.figure(format!("{what}: sustained"), "webhooks/s", rates);
    let most = ours.iter().map(|trial| trial.lives.most_in_flight as f64);
    let in_flight = report.figure(
        format!("{what}: most in flight"),
        "webhooks",
        most.collect(),
    );
    note(report, &what, &ours);
    let least = Target::AtLeast(OF_BARE);
    report.verdict(format!("{what} : bare pipeline"), sustained / bare, least);
    let what = format!("{what}: in flight : delay × rate");
    let steady = in_flight / sustained / delay.as_secs_f64();
    report.verdict(what, steady, Target::AtMost(1.1));
    Ok(())
}

/// The first rate, from `rate` downwards, that is sustained.
async fn highest(
    bench: &mut Bench,
    mut rate: f64,
    delay: Duration,
    time: Duration,
) -> Result<(f64, Trial)> {
    for _ in 0..TRIES_MAX {
        let load = Load {
            pace: Pace::Open(rate),
            time,
            ..bench.timed(0)
        };
        let plan = Plan {
            delay,
            ..Plan::new(load)
        };
        let trial = trial::on_servers(bench, plan).await?;
        let (answers, longest) = (&trial.answers, trial.lives.longest);
        let is_sustained = longest <= (delay + LATE_MAX).as_secs_f64()
            && answers.later.is_empty()
            && answers.latency_ms(99.0) <= ANSWER_MAX_MS;
        bench.say(&format!(
            "{rate:.0}/s with {delay:?} of delay {} sustained: answers p99 {:.0} ms, {} × 503, the last PROCESSED \
             after {longest:.1} s",
            if is_sustained { "is" } else { "is not" },
            answers.latency_ms(99.0),
            answers.later.len(),
        ));
        if is_sustained {
            return Ok((rate, trial));
        }
        rate *= DOWN;
    }
    bail!("no rate down to {rate:.0}/s is sustained")
}

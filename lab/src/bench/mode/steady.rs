//! How many webhooks per second go all the way when each takes its time, so that many are in flight at once?
//!
//! Webhooks come on schedule for the delay and a while longer. A rate is sustained if every webhook is `PROCESSED`
//! shortly after its delay: then what is in flight has stopped growing at delay × rate. A rate that is not is tried again
//! a step lower. Each run begins a step above the best so far, so that one run with bad luck does not lower those after
//! it. The FastAPI stack is asked in the same way.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{
    RUN_WITHIN,
    compared::Compared,
    pipeline::{self, FASTAPI_TIMES, bare_rate},
};
use crate::bench::{
    invocation::Bench,
    load::Pace,
    report::{Report, Target},
    trial::{self, Plan, Trial},
    yardstick::fastapi::Stack,
};

const MODE: &str = "pipeline";

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

/// With this delay, in steady state.
pub(in crate::bench) async fn run(bench: &mut Bench, delay: Duration) -> Result<()> {
    let time = delay + bench.time(60);
    let mut rate = match bench.args.rate {
        _ if bench.args.smoke => 200.0,
        Some(rate) => rate,
        None => {
            bench.phase("hookline, no delay", FIRST_COUNT);
            let plan = Plan::closed(bench, FIRST_COUNT, RUN_WITHIN);
            trial::on_servers(bench, plan).await?.rate * FIRST
        }
    };
    let stack = Stack::set_up(bench).await;
    let (mut bare, mut ours, mut peer) = (vec![], vec![], vec![]);
    let mut peer_rate = match &stack {
        Some(stack) => pipeline::peer_rate(bench, stack).await? * FIRST,
        None => 0.0,
    };
    for run in bench.runs() {
        // As many rows as webhooks: its tables grow as large, and its servers write as much to disk.
        let count = (rate * time.as_secs_f64()) as u64;
        let (rows, _) = bare_rate(bench, bench.count(count)).await?;
        bare.push(rows);
        let sustained = highest(bench, Subject::Hookline, rate, delay, time).await?;
        say(bench, run, Subject::Hookline, sustained.0, delay);
        ours.push(sustained);
        rate = above_best(&ours);
        if let Some(stack) = &stack {
            let subject = Subject::FastApi(stack);
            let sustained = highest(bench, subject, peer_rate, delay, time).await?;
            say(bench, run, subject, sustained.0, delay);
            peer.push(sustained);
            peer_rate = above_best(&peer);
        }
    }
    let what = format!("{delay:?} delay");
    let report = &mut bench.report;
    let bare = report.figure(
        MODE,
        format!("bare pipeline, beside {what}"),
        "rows/s",
        bare,
    );
    let (rates, ours): (Vec<f64>, Vec<Trial>) = ours.into_iter().unzip();
    let compared = Compared::note(report, MODE, &what, "sustained", rates);
    let in_flight = note_in_flight(report, &what, &ours);
    trial::note(report, MODE, &what, &ours);
    compared.with(report, "bare pipeline", bare, 0.45);
    let steady = in_flight / compared.reached / delay.as_secs_f64();
    report.verdict(
        MODE,
        format!("{what}: in flight : delay × rate"),
        steady,
        Target::AtMost(1.1),
    );
    let (rates, peer): (Vec<f64>, Vec<Trial>) = peer.into_iter().unzip();
    compared.with_fastapi(report, rates, FASTAPI_TIMES);
    if !peer.is_empty() {
        let what = format!("FastAPI, {what}");
        note_in_flight(report, &what, &peer);
        let processor: Vec<_> = peer.iter().map(|trial| &trial.processor).collect();
        trial::note_processor(report, MODE, &what, &processor);
    }
    Ok(())
}

/// Who is asked for its highest rate.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Hookline,
    FastApi(&'a Stack),
}

impl Subject<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Hookline => "hookline",
            Self::FastApi(_) => "FastAPI",
        }
    }

    async fn trial(self, bench: &Bench, plan: Plan) -> Result<Trial> {
        match self {
            Self::Hookline => trial::on_servers(bench, plan).await,
            Self::FastApi(stack) => stack.trial(bench, plan).await,
        }
    }
}

fn say(bench: &Bench, run: u32, subject: Subject<'_>, rate: f64, delay: Duration) {
    let name = subject.name();
    bench.say(&format!(
        "pipeline {run}: {name}, {rate:.0}/s sustained with {delay:?} of delay"
    ));
}

/// A step above the highest rate that any run sustained.
fn above_best(sustained: &[(f64, Trial)]) -> f64 {
    let rates = sustained.iter().map(|(rate, _)| *rate);
    rates.fold(0.0, f64::max) * UP
}

/// The first rate, from `rate` downwards, that is sustained.
async fn highest(
    bench: &Bench,
    subject: Subject<'_>,
    mut rate: f64,
    delay: Duration,
    time: Duration,
) -> Result<(f64, Trial)> {
    let name = subject.name();
    for _ in 0..TRIES_MAX {
        let count = (rate * time.as_secs_f64()) as u64;
        bench.phase(&format!("{name}, {rate:.0}/s"), count);
        let plan = Plan {
            pace: Pace::Open(rate),
            count: u64::MAX,
            delay,
            ..Plan::closed(bench, 0, time)
        };
        let trial = subject.trial(bench, plan).await?;
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
            "pipeline: {name}, {rate:.0}/s is not sustained: answers p99 {:.0} ms, {} × 503{lag}",
            trial.answers.latency_ms(99.0),
            trial.answers.later.len(),
        ));
        rate *= DOWN;
    }
    bail!("{name}: no rate down to {rate:.0}/s is sustained")
}

/// Notes how much was in flight at most in each run.
fn note_in_flight(report: &mut Report, what: &str, trials: &[Trial]) -> f64 {
    let in_flight = trials.iter().map(most_in_flight).collect();
    let what = format!("{what}: most in flight");
    report.figure(MODE, what, "webhooks", in_flight)
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

//! What do new webhooks notice when all that an outage of downstream has left `FAILED` is retried beside them?
//!
//! New ones come at a steady rate: first undisturbed, then while an operator's bulk retry runs, begun and watched over HTTP,
//! then undisturbed again. What is measured is how long they take from when they should have left to `PROCESSED`, see
//! [`EndToEnd`]. The work is a call to a downstream that takes everything, after `--delay`: only calls have numbers, and those
//! of what is retried must go on where they were.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bench::{
    client::Client,
    downstream::Downstream,
    end_to_end::EndToEnd,
    invocation::Bench,
    load::{Answers, Load, Pace},
    report::{Target, points},
    service::{Service, Work},
    site::{ATTEMPTS, Site},
    trial::DRAIN_WITHIN,
    wait::until,
};

/// Failed transactions.
const ROWS: u64 = 100_000;
/// How many of them are retried in a second.
const RETRIED: u64 = 2_000;
/// New webhooks per second.
const RATE: f64 = 1_000.0;
const SMOKE_RATE: f64 = 200.0;
/// Of the connections a few are busy at such a rate.
const CONNECTIONS: usize = 256;
/// The load's length before and after, in seconds.
const SECONDS: u64 = 30;
/// What retries may do to the 99th percentile of new ones.
const RATIO_MAX: f64 = 2.0;
/// How far the rate at which they are `PROCESSED` may be from the one that was asked for, as a part of that.
const OFF_MAX: f64 = 0.1;

const PHASES: [&str; 3] = ["before", "during", "after"];

pub(in crate::bench) async fn run(bench: &mut Bench, delay: Duration) -> Result<()> {
    let rows = bench.count(ROWS);
    let mut outcomes = Vec::new();
    for _ in bench.runs() {
        let outcome = once(bench, rows, delay).await?;
        bench.say(&format!(
            "p99 before {:.1} ms, during {:.1} ms, after {:.1} ms; {rows} retried in {:.1} s",
            outcome.phases[0].end_to_end.ms(99.0),
            outcome.phases[1].end_to_end.ms(99.0),
            outcome.phases[2].end_to_end.ms(99.0),
            outcome.took,
        ));
        outcomes.push(outcome);
    }
    tell(bench, rows, &outcomes);
    Ok(())
}

struct Outcome {
    /// In the order of [`PHASES`].
    phases: [Phase; 3],
    /// Seconds from the beginning of the bulk retry until the last of what it retried was `PROCESSED`.
    took: f64,
}

struct Phase {
    answers: Answers,
    end_to_end: EndToEnd,
}

fn tell(bench: &mut Bench, rows: u64, outcomes: &[Outcome]) {
    let report = &mut bench.report;
    let took = outcomes.iter().map(|outcome| outcome.took);
    report.figure(format!("retrying {rows}"), "s", took.clone().collect());
    let rates = took.map(|took| rows as f64 / took).collect();
    let rate = report.figure("retried and PROCESSED", "transactions/s", rates);
    let mut p99 = [0.0; 3];
    for (index, name) in PHASES.into_iter().enumerate() {
        let phases = || outcomes.iter().map(|outcome| &outcome.phases[index]);
        for (what, percentile) in [("p50", 50.0), ("p99", 99.0), ("longest", 100.0)] {
            let times = phases().map(|phase| phase.end_to_end.ms(percentile));
            let what = format!("{name}: from request to PROCESSED, {what}");
            let median = report.figure(what, "ms", times.collect());
            if percentile == 99.0 {
                p99[index] = median;
            }
        }
        let answers = phases().map(|phase| phase.answers.latency_ms(99.0));
        report.figure(format!("{name}: answer, p99"), "ms", answers.collect());
        if let Some(last) = phases().next_back() {
            let slowest = points(last.end_to_end.slowest.iter().copied());
            let axes = ("second", "slowest from request to PROCESSED, ms");
            report.curve("retries", axes, name, slowest);
        }
    }
    let [before, during, _] = p99;
    let what = "p99 from request to PROCESSED, during : before";
    report.verdict(what, during / before, Target::AtMost(RATIO_MAX));
    let off = (rate / RETRIED as f64 - 1.0).abs();
    let what = format!("off {RETRIED} retried a second, as a part of it");
    report.verdict(what, off, Target::AtMost(OFF_MAX));
}

async fn once(bench: &Bench, rows: u64, delay: Duration) -> Result<Outcome> {
    let mut site = bench.site().await?;
    bench.say(&format!("writing {rows} failed transactions"));
    site.prefill_failed(rows).await?;
    let downstream = Downstream::start(delay).await?;
    let mut service = Service::start(&bench.binary, &site, Work::Call(downstream.address)).await?;
    let usual = if bench.args.smoke { SMOKE_RATE } else { RATE };
    let rate = bench.args.rate.unwrap_or(usual);
    let load = Load {
        pace: Pace::Open(rate),
        connections: CONNECTIONS,
        ..bench.timed(SECONDS)
    };
    let before = load.apply(service.address).await?;
    let client = Client::new(service.address)?;
    let bulk = begin(&client, rows).await?;
    // For as long as the retry should take.
    let beside = Load {
        time: Duration::from_secs_f64(rows as f64 / RETRIED as f64),
        ..load
    };
    let ended = ended(&client, &bulk, rows);
    let (during, ()) = tokio::try_join!(beside.apply(service.address), ended)?;
    let after = load.apply(service.address).await?;
    site.all_done(&mut service, DRAIN_WITHIN).await?;
    service.stop().await?;
    let answers = [before, during, after];
    check(&mut site, &answers, rows).await?;
    let took = took(&site, &bulk).await?;
    let processed = site.processed(answers[0].began).await?;
    site.clear().await?;
    let phase = |answers: Answers| {
        let end_to_end = EndToEnd::of(&answers, rate, &processed)?;
        anyhow::Ok(Phase {
            answers,
            end_to_end,
        })
    };
    let [before, during, after] = answers;
    Ok(Outcome {
        phases: [phase(before)?, phase(during)?, phase(after)?],
        took,
    })
}

/// Begins the bulk retry, as an operator would; returns its id.
async fn begin(client: &Client, rows: u64) -> Result<String> {
    let reason = "downstream is back";
    let wish = json!({"filter": {"status": "FAILED"}, "rate": RETRIED, "reason": reason});
    let begun = client.begin("/v1/retries", &wish).await?;
    ensure!(
        begun["matched"] == rows,
        "{rows} have failed, and the retry says {begun}: the check failed"
    );
    let id = begun["id"].as_str().context("a retry without an id")?;
    Ok(id.to_owned())
}

/// Watches it until it is done and nothing of it is unfinished. Then it must have counted every one, once.
async fn ended(client: &Client, bulk: &str, rows: u64) -> Result<()> {
    let path = format!("/v1/retries/{bulk}");
    let mut last = Value::Null;
    until(DRAIN_WITHIN, "the retry is done", async || {
        last = client.show(&path).await?;
        Ok(last["state"] == "DONE" && last["progress"]["unfinished"] == 0)
    })
    .await?;
    let progress = json!({"unfinished": 0, "processed": rows, "failed": 0, "retried_again": 0});
    ensure!(
        last["retried"] == rows && last["passed_over"] == 0 && last["progress"] == progress,
        "{rows} were to be retried, and the retry says {last}: the check failed"
    );
    Ok(())
}

/// After the service has stopped: all that is new and all that had failed was `PROCESSED` once, by the attempt after those that
/// it had had.
async fn check(site: &mut Site, answers: &[Answers; 3], rows: u64) -> Result<()> {
    let mut new = 0;
    for answers in answers {
        new += site.committed(answers).await?;
    }
    site.check(new).await?;
    let kept: Option<i64> = site.one("SELECT count(*) FROM failures", []).await?;
    ensure!(
        kept == Some(0),
        "{kept:?} failures are kept: the check failed"
    );
    let sql = "SELECT count(*) FROM attempts WHERE number = $1 AND outcome = 'SUCCEEDED' \
               AND id IN (SELECT id FROM transactions WHERE transaction_id LIKE 'txn_failed_%')";
    let numbered: Option<i64> = site.one(sql, [(ATTEMPTS + 1).into()]).await?;
    let attempts: Option<i64> = site.one("SELECT count(*) FROM attempts", []).await?;
    let expected = (rows * (ATTEMPTS.unsigned_abs() as u64 + 1) + new).cast_signed();
    ensure!(
        numbered == Some(rows.cast_signed()) && attempts == Some(expected),
        "{numbered:?} of {rows} retried ones have a next attempt, and there are {attempts:?} of {expected} attempts: \
         the check failed"
    );
    Ok(())
}

async fn took(site: &Site, bulk: &str) -> Result<f64> {
    let sql = "SELECT extract(epoch FROM (SELECT max(processed_at) FROM transactions \
                 WHERE transaction_id LIKE 'txn_failed_%') - created_at)::float8 FROM bulk_retries WHERE id = $1::uuid";
    let took = site.one(sql, [bulk.into()]).await?;
    took.context("no such retry")
}

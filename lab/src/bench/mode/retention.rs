//! What do senders notice when old months are taken away beneath them?
//!
//! Old rows are in months of their own, as after some years. Webhooks come at a steady rate, first undisturbed, then while
//! `hookline retention` runs, then undisturbed again.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{
    bench::{
        invocation::Bench,
        load::{Answers, Load, Pace},
        report::{Target, points},
        service::{Service, Work},
        site::Site,
        trial::DRAIN_WITHIN,
    },
    hookline::Hookline,
};

/// Webhooks per second.
const RATE: f64 = 5_000.0;
/// Of the connections a few are busy at such a rate.
const CONNECTIONS: usize = 256;
/// Old rows, and the months that they are in.
const ROWS: u64 = 10_000_000;
const SMOKE_ROWS: u64 = 20_000;
const MONTHS: u64 = 4;
/// The load's length in each phase, in seconds.
const SECONDS: u64 = 30;
/// Into the load, before retention begins.
const BEGINS_AFTER: Duration = Duration::from_secs(1);
/// What retention may do to the 99th percentile.
const RATIO_MAX: f64 = 1.2;
/// Older than this goes: all that was put there, and nothing of the load.
const LIMIT: (&str, &str) = ("RETENTION_TRANSACTIONS", "60d");

const PHASES: [&str; 3] = ["before", "during", "after"];

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let rows = match bench.args.smoke {
        true => SMOKE_ROWS,
        false => bench.args.count.unwrap_or(ROWS),
    };
    let (mut phases, mut took, mut freed) = (PHASES.map(|_| Vec::new()), vec![], vec![]);
    for _ in bench.runs() {
        let outcome = once(bench, rows).await?;
        took.push(outcome.took.as_secs_f64());
        freed.push(outcome.freed as f64 / 1e6);
        for (phase, answers) in phases.iter_mut().zip(outcome.answers) {
            phase.push(answers);
        }
    }
    let report = &mut bench.report;
    report.figure(format!("taking away {rows} rows"), "s", took);
    report.figure("space given back", "MB", freed);
    let mut p99 = [0.0; 3];
    for ((name, phase), p99) in PHASES.iter().zip(&phases).zip(&mut p99) {
        for (what, percentile) in [
            ("p50", 50.0),
            ("p99", 99.0),
            ("p99.9", 99.9),
            ("longest", 100.0),
        ] {
            let latencies = phase.iter().map(|answers| answers.latency_ms(percentile));
            let median = report.figure(format!("{name}: {what}"), "ms", latencies.collect());
            if what == "p99" {
                *p99 = median;
            }
        }
        let later = phase.iter().map(|answers| answers.later.len() as f64);
        report.figure(
            format!("{name}: told to come later"),
            "webhooks",
            later.collect(),
        );
        if let Some(last) = phase.last() {
            let slowest = last.slowest.iter().map(|slowest| *slowest as f64 / 1000.0);
            let axes = ("second", "slowest answer, ms");
            report.curve("retention", axes, *name, points(slowest));
        }
    }
    let [before, during, _] = p99;
    let target = Target::AtMost(RATIO_MAX);
    report.verdict("p99 during : before", during / before, target);
    Ok(())
}

struct Outcome {
    /// In the order of [`PHASES`].
    answers: [Answers; 3],
    /// How long retention took.
    took: Duration,
    /// Bytes.
    freed: i64,
}

async fn once(bench: &Bench, rows: u64) -> Result<Outcome> {
    let site = bench.site().await?;
    site.prefill_months(rows, MONTHS).await?;
    site.settle().await?;
    let mut service = Service::start(&bench.binary, &site, Work::Simulated(Duration::ZERO)).await?;
    let load = Load {
        pace: Pace::Open(bench.args.rate.unwrap_or(match bench.args.smoke {
            true => 200.0,
            false => RATE,
        })),
        connections: CONNECTIONS,
        ..bench.timed(SECONDS)
    };
    let before = load.apply(service.address).await?;
    let size = site.size().await?;
    let retention = async {
        tokio::time::sleep(BEGINS_AFTER).await;
        let mut variables = site.variables();
        variables.push((LIMIT.0, LIMIT.1.into()));
        let began = Instant::now();
        let retention = Hookline::start(&bench.binary, "retention --reason lab", &variables)?;
        retention.finish().await?;
        anyhow::Ok(began.elapsed())
    };
    let (during, took) = tokio::try_join!(load.apply(service.address), retention)?;
    let freed = size - site.size().await?;
    let after = load.apply(service.address).await?;
    site.all_done(&mut service, DRAIN_WITHIN).await?;
    service.stop().await?;
    let answers = [before, during, after];
    check(&site, &answers, rows).await?;
    site.clear().await?;
    Ok(Outcome {
        answers,
        took,
        freed,
    })
}

/// All that is new is `PROCESSED`, nothing that is old is left, and every id is known.
async fn check(site: &Site, answers: &[Answers; 3], old: u64) -> Result<()> {
    let accepted: u64 = answers.iter().map(|answers| answers.accepted).sum();
    let found = site.rows().await?;
    let new = u64::try_from(found.all)?;
    // What was told to come later may have been committed all the same.
    ensure!(
        new >= accepted,
        "{accepted} were accepted, and {found:?} are there"
    );
    let is_finished = found.all == found.processed && found.outbox == 0;
    let is_known = u64::try_from(found.keys)? == new + old;
    ensure!(is_finished && is_known, "{found:?}: the check failed");
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'detached%'";
    let left: Option<i64> = site.one(left, []).await?;
    ensure!(left == Some(0), "months were taken away and not dropped");
    Ok(())
}

//! How long does a sender wait for its answer: at a steady rate, and alone?

use anyhow::Result;
use hdrhistogram::Histogram;

use super::RUN_WITHIN;
use crate::bench::{
    invocation::Bench,
    load::Pace,
    report::Target,
    trial::{self, Plan},
    yardstick::single_inserts,
};

const MODE: &str = "latency";

/// Webhooks per second.
const RATE: f64 = 1000.0;
/// More than are ever busy at such a rate, so that no request waits for a connection.
const CONNECTIONS: usize = 256;
/// Requests one at a time.
const ALONE: u64 = 3_000;
/// The percentiles and their targets, in milliseconds.
const PERCENTILES: [(f64, Option<f64>); 5] = [
    (50.0, Some(2.0)),
    (90.0, None),
    (99.0, Some(15.0)),
    (99.9, Some(50.0)),
    (100.0, None),
];

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let time = bench.time(30);
    let rate = bench.args.rate.unwrap_or(RATE);
    let (mut inserts, mut at_rate, mut alone) = (vec![], vec![], vec![]);
    for run in bench.runs() {
        bench.phase("one insert at a time", 0);
        let site = bench.site().await?;
        let postgres = &bench.servers()?.postgres;
        inserts.push(single_inserts::round_trip_ms(postgres, &site, bench.time(5)).await?);
        site.clear().await?;

        bench.phase("hookline, one at a time", ALONE);
        let plan = Plan {
            connections: 1,
            ..Plan::closed(bench, bench.count(ALONE), RUN_WITHIN)
        };
        alone.push(
            trial::on_servers(bench, plan)
                .await?
                .answers
                .latency_ms(50.0),
        );

        bench.phase(
            &format!("hookline, {rate}/s"),
            (rate * time.as_secs_f64()) as u64,
        );
        let plan = Plan {
            pace: Pace::Open(rate),
            connections: CONNECTIONS,
            ..Plan::closed(bench, u64::MAX, time)
        };
        let answers = trial::on_servers(bench, plan).await?.answers;
        bench.say(&format!(
            "latency {run}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            answers.latency_ms(50.0),
            answers.latency_ms(99.0),
            answers.latency_ms(99.9)
        ));
        at_rate.push(answers);
    }
    let report = &mut bench.report;
    for (percentile, target) in PERCENTILES {
        let runs = at_rate.iter().map(|answers| answers.latency_ms(percentile));
        let what = format!("{rate}/s: p{percentile}");
        let median = report.figure(MODE, what.clone(), "ms", runs.collect());
        if let (Some(most), RATE) = (target, rate) {
            report.verdict(MODE, format!("{what}, ms"), median, Target::AtMost(most));
        }
    }
    let insert = report.figure(MODE, "one insert at a time: p50", "ms", inserts);
    let alone = report.figure(MODE, "one webhook at a time: p50", "ms", alone);
    let target = Target::AtMost(1.5 * insert + 0.3);
    report.verdict(
        MODE,
        "alone, ms, against 1.5 × one insert + 0.3",
        alone,
        target,
    );
    if let Some(all) = at_rate.last() {
        let points = by_percentile(&all.latency);
        report.curve("latency", "percentile", "ms", format!("{rate}/s"), points);
    }
    Ok(())
}

/// Latency by how rare it is: one in 1, 10, 100 …, so that the tail can be seen.
pub(super) fn by_percentile(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut one_in = 1.0;
    while one_in <= latency.len() as f64 {
        let value = latency.value_at_quantile(1.0 - 1.0 / one_in);
        points.push((one_in, value as f64 / 1000.0));
        one_in *= 1.25;
    }
    points
}

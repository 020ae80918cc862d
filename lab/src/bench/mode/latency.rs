//! How long does a sender wait for its answer: at a steady rate, and alone?

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::bench::{
    invocation::Bench,
    load::{Load, Pace},
    report::Target,
    series::{Place, Series, in_turn},
    trial::Plan,
};
use crate::median::median as middle;

/// Webhooks per second.
const RATE: f64 = 1000.0;
/// More than are ever busy at such a rate, so that no request waits for a connection.
const CONNECTIONS: usize = 256;
/// Requests one at a time.
const ALONE: u64 = 3_000;
/// Half of those are answered within this time, in milliseconds.
const ALONE_MS: f64 = 1.0;
/// What forged requests may do to the 99th percentile of genuine ones.
const FORGED_RATIO: f64 = 1.2;
/// The percentiles and their targets, in milliseconds.
const PERCENTILES: [(f64, Option<f64>); 5] = [
    (50.0, Some(2.0)),
    (90.0, None),
    (99.0, Some(15.0)),
    (99.9, Some(50.0)),
    (100.0, None),
];

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let rate = bench.args.rate.unwrap_or(RATE);
    let alone = Load {
        connections: 1,
        ..bench.counted(ALONE)
    };
    let at_rate = Load {
        pace: Pace::Open(rate),
        connections: CONNECTIONS,
        ..bench.timed(30)
    };
    let mut series = vec![
        Series::new(Place::Servers, "one webhook at a time", Plan::new(alone)),
        Series::new(Place::Servers, format!("{rate}/s"), Plan::new(at_rate)),
    ];
    if let Some(per_minute) = bench.args.forged {
        let mut plan = Plan::new(at_rate);
        plan.forged = Some(per_minute / 60.0);
        let what = format!("{rate}/s beside {per_minute} forged a minute");
        series.push(Series::new(Place::Servers, what, plan));
    }
    in_turn(bench, &mut series).await?;

    let report = &mut bench.report;
    let mut series = series.into_iter();
    let (Some(alone), Some(at_rate)) = (series.next(), series.next()) else {
        unreachable!("both were made above")
    };
    let latency = |series: &Series, percentile| -> Vec<f64> {
        let answers = series.trials.iter().map(|trial| &trial.answers);
        answers
            .map(|answers| answers.latency_ms(percentile))
            .collect()
    };
    for (percentile, target) in PERCENTILES {
        let what = format!("{}: p{percentile}", at_rate.what);
        let median = report.figure(what.clone(), "ms", latency(&at_rate, percentile));
        if let (Some(most), RATE) = (target, rate) {
            report.verdict(format!("{what}, ms"), median, Target::AtMost(most));
        }
    }
    let what = format!("{}: p50", alone.what);
    let median = report.figure(what.clone(), "ms", latency(&alone, 50.0));
    report.verdict(format!("{what}, ms"), median, Target::AtMost(ALONE_MS));
    if let Some(beside) = series.next() {
        let without = middle(&latency(&at_rate, 99.0));
        let with = report.figure(
            format!("{}: p99", beside.what),
            "ms",
            latency(&beside, 99.0),
        );
        let what = format!("{} : without, p99", beside.what);
        report.verdict(what, with / without, Target::AtMost(FORGED_RATIO));
    }
    if let Some(last) = at_rate.trials.last() {
        let points = by_percentile(&last.answers.latency);
        report.curve("latency", ("percentile", "ms"), at_rate.what, points);
    }
    Ok(())
}

/// Latency by how rare it is: one in 1, 10, 100 …, so that the tail can be seen.
pub(super) fn by_percentile(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    let rarer = std::iter::successors(Some(1.0), |one_in| Some(one_in * 1.25));
    rarer
        .take_while(|one_in| *one_in <= latency.len() as f64)
        .map(|one_in| {
            let value = latency.value_at_quantile(1.0 - 1.0 / one_in);
            (one_in, value as f64 / 1000.0)
        })
        .collect()
}

//! How many webhooks per second does it take: with and without its broker, on large tables, when senders repeat
//! themselves, on the defaults?

use anyhow::Result;

use crate::bench::{
    invocation::Bench,
    load::{Load, Sender},
    report::{Report, Target},
    series::{Place, Series, in_turn},
    trial::Plan,
};

/// Webhooks per second that two cores with everything on them should carry.
const LEAST: f64 = 10_000.0;
/// Different webhooks in a storm of repeats.
const DISTINCT: u64 = 1_000;
/// Rows that the tables of `growth` hold before the runs.
const ROWS: [u64; 3] = [0, 1_000_000, 10_000_000];
const SMOKE_ROWS: [u64; 3] = [0, 1_000, 10_000];

/// What a series is judged by.
type Measure = fn(&Series, &mut Report) -> f64;

/// 202s with everything running, and while the broker is away.
pub(in crate::bench) async fn ingest(bench: &mut Bench) -> Result<()> {
    let running = Plan::new(bench.timed(10));
    let away = Plan {
        broker_away: true,
        ..running
    };
    let running = Series::new(Place::Servers, "everything running", running);
    let of_source = running.of_source(bench);
    let away = Series::new(Place::Servers, "broker away", away);
    let series = [running, away].into_iter().chain(of_source).collect();
    let rates = compare(bench, series, Series::note_accepted, 1.0).await?;
    let what = "everything running: 202s per second";
    bench.report.verdict(what, rates[0], Target::AtLeast(LEAST));
    Ok(())
}

/// A crowd that repeats itself must not cost more than one with something new to say.
pub(in crate::bench) async fn duplicates(bench: &mut Bench) -> Result<()> {
    let new = bench.timed(10);
    let repeats = Load {
        distinct: Some(DISTINCT),
        ..new
    };
    let series = vec![
        Series::new(Place::Servers, "new", Plan::new(new)),
        Series::new(Place::Servers, "repeats", Plan::new(repeats)),
    ];
    compare(bench, series, Series::note_accepted, 1.0).await?;
    Ok(())
}

/// The rate must hold when the table has grown.
pub(in crate::bench) async fn growth(bench: &mut Bench) -> Result<()> {
    let plan = Plan::new(bench.counted(100_000));
    let rows = if bench.args.smoke { SMOKE_ROWS } else { ROWS };
    let series = rows.map(|rows| {
        let place = match rows {
            // Empty is what the others never are again.
            0 => Place::Servers,
            _ => Place::Prefilled(rows),
        };
        Series::new(place, format!("on {rows} rows"), plan)
    });
    compare(bench, series.into(), Series::note_processed, 0.85).await?;
    Ok(())
}

/// SQLite and a queue inside the process.
pub(in crate::bench) async fn embedded(bench: &mut Bench) -> Result<()> {
    let plan = Plan::new(bench.counted(100_000));
    let built_in = Series::new(Place::Embedded, "0 s delay", plan);
    let of_source = built_in.of_source(bench);
    let mut series: Vec<Series> = [built_in].into_iter().chain(of_source).collect();
    in_turn(bench, &mut series).await?;
    let report = &mut bench.report;
    let mut rates = Vec::new();
    for one in &series {
        rates.push(one.note_processed(report));
        one.note_accepted(report);
    }
    let what = "PROCESSED per second";
    report.verdict(what, rates[0], Target::AtLeast(LEAST));
    Ok(())
}

/// Runs all in turn, and holds the last of the built-in source against the first. Returns the rates.
async fn compare(
    bench: &mut Bench,
    mut series: Vec<Series>,
    measure: Measure,
    least: f64,
) -> Result<Vec<f64>> {
    in_turn(bench, &mut series).await?;
    let report = &mut bench.report;
    let rates: Vec<f64> = series.iter().map(|one| measure(one, report)).collect();
    let is_built_in = |one: &Series| one.sender() == Sender::Transactions;
    let (first, last) = (0, series.iter().rposition(is_built_in).unwrap_or(0));
    let what = format!("{} : {}", series[last].what, series[first].what);
    report.verdict(what, rates[last] / rates[first], Target::AtLeast(least));
    for one in series {
        one.clear().await?;
    }
    Ok(rates)
}

//! How long does whoever looks something up wait, when there is a long life to look through?
//!
//! Every list, look-up and page of the contract is asked for again and again, one question after the other on one connection,
//! each time about something else: another id, another time, another account. Nothing else is going on. What is asked for
//! again from the memory of PostgreSQL or of the machine is as it would be on a machine whose memory holds the tables.

mod questions;
mod walk;

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use serde_json::Value;

use self::questions::{Expected, Question};
use crate::bench::{
    client::{Answer, Client},
    invocation::Bench,
    report::{Report, Target},
    service::{Service, Work},
    site::history::History,
};

/// Transactions.
const ROWS: u64 = 10_000_000;
const SMOKE_ROWS: u64 = 20_000;
/// How often each question is asked.
const ASKED: u64 = 200;
const SMOKE_ASKED: u64 = 2;
/// The same for a stream: whoever has left has a place among 20 for 5 s more.
const STREAMS_ASKED: u64 = 10;
/// After one in so many first pages, as many further ones are read.
const FURTHER: u64 = 4;
/// 95 of 100 answers come within this time, in milliseconds.
const P95_MS: f64 = 100.0;
const PERCENTILES: [f64; 3] = [50.0, 95.0, 99.0];

/// Milliseconds of a question's answers at each of the [`PERCENTILES`], in every run.
type Figures = [Vec<f64>; 3];

/// What came of a question.
#[derive(Default)]
struct Outcome {
    first: Figures,
    /// Of pages after the first.
    further: Figures,
}

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    let rows = match bench.args.smoke {
        true => SMOKE_ROWS,
        false => bench.args.count.unwrap_or(ROWS),
    };
    let site = bench.site().await?;
    bench.say(&format!("writing {rows} rows"));
    let history = site.prefill_history(rows).await?;
    let work = Work::Simulated(bench.args.delay);
    let mut service = Service::start(&bench.binary, &site, work).await?;
    let client = Client::new(service.address)?;
    let mut random = StdRng::seed_from_u64(rows);
    walk::check(&client, &site, &history, &mut random).await?;
    let questions = questions::all(bulks(&client).await?);
    let asked = if bench.args.smoke { SMOKE_ASKED } else { ASKED };
    let mut outcomes: Vec<Outcome> = questions.iter().map(|_| Outcome::default()).collect();
    for _ in bench.runs() {
        for (question, outcome) in questions.iter().zip(&mut outcomes) {
            let asking = ask(&client, question, &history, (asked, &mut random)).await;
            let (first, further) = asking.with_context(|| question.name.clone())?;
            let p95 = first.value_at_quantile(0.95) as f64 / 1000.0;
            bench.say(&format!("{}: p95 {p95:.1} ms", question.name));
            note(&mut outcome.first, &first);
            note(&mut outcome.further, &further);
        }
    }
    service.must_run()?;
    service.stop().await?;
    site.clear().await?;
    for (question, outcome) in questions.into_iter().zip(outcomes) {
        let Question {
            name, is_judged, ..
        } = question;
        tell(&mut bench.report, &name, is_judged, outcome.first);
        let further = format!("{name}: further pages");
        tell(&mut bench.report, &further, is_judged, outcome.further);
    }
    Ok(())
}

/// Retries of many that can be asked for.
async fn bulks(client: &Client) -> Result<Vec<String>> {
    let listed = client.show("/v1/retries").await?;
    let bulks = listed["data"].as_array().context("no retries")?.iter();
    let ids = bulks.filter_map(|bulk| bulk["id"].as_str().map(str::to_owned));
    Ok(ids.collect())
}

/// Asks it so often. Returns the microseconds of first answers, and of further pages.
async fn ask(
    client: &Client,
    question: &Question,
    history: &History,
    (asked, random): (u64, &mut StdRng),
) -> Result<(Histogram<u64>, Histogram<u64>)> {
    let (mut first, mut further) = (Histogram::new(3)?, Histogram::new(3)?);
    let asked = match question.expected {
        Expected::Stream => asked.min(STREAMS_ASKED),
        Expected::Json | Expected::Bytes | Expected::Unknown => asked,
    };
    for time in 0..asked {
        let path = (question.write)(history, random);
        let mut next = once(client, question.expected, &path, &mut first).await?;
        let pages = if time % FURTHER == 0 { FURTHER } else { 0 };
        for _ in 0..pages {
            let Some(cursor) = next else {
                break;
            };
            let and = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{and}cursor={cursor}");
            next = once(client, question.expected, &path, &mut further).await?;
        }
    }
    Ok((first, further))
}

/// Asks for one path, which must be answered as it should. Returns where the next page begins.
async fn once(
    client: &Client,
    expected: Expected,
    path: &str,
    times: &mut Histogram<u64>,
) -> Result<Option<String>> {
    let answer = match expected {
        Expected::Stream => client.get_first(path).await?,
        Expected::Json | Expected::Bytes | Expected::Unknown => client.get(path).await?,
    };
    times.record(u64::try_from(answer.took.as_micros())?)?;
    let is_right = match expected {
        Expected::Unknown => answer.status == StatusCode::NOT_FOUND,
        Expected::Json | Expected::Bytes | Expected::Stream => answer.status == StatusCode::OK,
    };
    ensure!(
        is_right && !answer.body.is_empty(),
        "{path} was answered with {}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    match expected {
        Expected::Json => next(&answer),
        Expected::Bytes | Expected::Unknown | Expected::Stream => Ok(None),
    }
}

fn next(answer: &Answer) -> Result<Option<String>> {
    Ok(match answer.json()?.get("next_cursor") {
        Some(Value::String(cursor)) => Some(cursor.clone()),
        _ => None,
    })
}

/// Adds a run's times to the figures; nothing if there are none.
fn note(figures: &mut Figures, times: &Histogram<u64>) {
    if !times.is_empty() {
        for (figures, percentile) in figures.iter_mut().zip(PERCENTILES) {
            figures.push(times.value_at_percentile(percentile) as f64 / 1000.0);
        }
    }
}

fn tell(report: &mut Report, what: &str, is_judged: bool, figures: Figures) {
    if figures.iter().any(Vec::is_empty) {
        return;
    }
    for (percentile, figures) in PERCENTILES.into_iter().zip(figures) {
        let what = format!("{what}: p{percentile}");
        let median = report.figure(what.clone(), "ms", figures);
        if is_judged && percentile == 95.0 {
            report.verdict(format!("{what}, ms"), median, Target::AtMost(P95_MS));
        }
    }
}

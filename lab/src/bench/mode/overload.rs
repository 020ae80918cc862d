//! What happens beyond what the service can carry: are its promises kept, and is it itself again soon after?

use std::{pin::pin, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::latency::by_percentile;
use crate::{
    bench::{
        invocation::Bench,
        load::{Answers, Load, Pace},
        processor::resident_bytes,
        report::{Report, Target, number, points},
        service::{Service, Work},
        trial::{self, DRAIN_WITHIN, Plan, Trial},
    },
    median::median,
};

/// Webhooks that tell the sustainable rate: as many as come in the seconds that are watched afterwards. The first two or
/// three seconds alone are quicker, while the consumer still has everything before it.
const COUNT: u64 = 200_000;
/// Enough for twice any rate of one small machine when each answer takes as long as it may.
const CONNECTIONS: usize = 8_000;
const SMOKE_CONNECTIONS: usize = 200;
/// Senders that overload an API of which a limit of processor time leaves little.
const SENDERS: usize = 1_000;
/// What should be answered with 202, of what can be carried, when so many times that comes. Between the two, and beyond,
/// in proportion.
const ACCEPTED: [(f64, f64); 2] = [(1.5, 0.85), (4.0, 0.7)];
/// How long, in seconds.
const SECONDS: u64 = 60;
/// After the overload, how long the service is watched, in seconds.
const AFTER: u64 = 10;
/// The part of the rate from before that counts as full again.
const FULL: f64 = 0.9;
/// From when on memory should be flat, in seconds: connections and buffers are there.
const WARM: usize = 5;

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    allow_many_files()?;
    let factors = bench.args.factor.clone();
    let mut series: Vec<Vec<Run>> = factors.iter().map(|_| Vec::new()).collect();
    for _ in bench.runs() {
        for (factor, runs) in factors.iter().zip(&mut series) {
            let before = trial::on_servers(bench, Plan::new(bench.counted(COUNT))).await?;
            let rate = bench.args.rate.unwrap_or(before.rate * factor);
            runs.push(overload(bench, before, rate).await?);
        }
    }
    let seconds = bench.time(SECONDS).as_secs() as usize;
    for (factor, runs) in factors.iter().zip(&series) {
        let which = match factors.len() {
            1 => String::new(),
            _ => format!("{} times: ", number(*factor)),
        };
        note(&mut bench.report, runs, &which, target(*factor));
        note_memory(&mut bench.report, runs, &which, seconds);
        if let Some(last) = runs.last() {
            note_curves(&mut bench.report, &last.during);
        }
    }
    Ok(())
}

/// The part of what can be carried that should be answered with 202 when `factor` times that comes.
fn target(factor: f64) -> f64 {
    let [(few, most), (many, least)] = ACCEPTED;
    most + (factor.max(few) - few) * (least - most) / (many - few)
}

/// What was offered, and what came of it.
struct Run {
    before: Trial,
    rate: f64,
    during: Answers,
    after: Answers,
    /// Resident memory of API and consumer in each second, in bytes.
    memory: Vec<[u64; 2]>,
}

impl Run {
    fn refused(&self) -> f64 {
        self.during.later.len() as f64 / self.during.latency.len() as f64
    }

    /// What has left per second: less than was offered where too few senders are free.
    fn sent(&self) -> f64 {
        self.during.latency.len() as f64 / self.during.took.as_secs_f64()
    }

    /// 202s per second of those that could be carried before.
    fn accepted(&self) -> f64 {
        self.during.rate() / self.before.rate
    }

    /// Seconds until the full rate again; one more than was watched if that was not long enough.
    fn recovered(&self) -> f64 {
        let after = &self.after.per_second;
        let full = self.before.answers.rate() * FULL;
        let second = after.iter().position(|count| *count as f64 >= full);
        second.unwrap_or(after.len()) as f64 + 1.0
    }
}

/// Notes the runs of one series; its figures' names begin with `which`.
fn note(report: &mut Report, runs: &[Run], which: &str, least: f64) {
    let mut figure = |what: &str, unit, value: fn(&Run) -> f64| {
        let runs = runs.iter().map(value).collect();
        report.figure(format!("{which}{what}"), unit, runs)
    };
    figure("before: PROCESSED", "webhooks/s", |run| run.before.rate);
    figure("before: 202s", "webhooks/s", |run| {
        run.before.answers.rate()
    });
    figure("offered", "webhooks/s", |run| run.rate);
    figure("sent", "webhooks/s", Run::sent);
    figure("answered with 202", "webhooks/s", |run| run.during.rate());
    figure("answered with 503", "of all", Run::refused);
    figure("p50", "ms", |run| run.during.latency_ms(50.0));
    figure("p99", "ms", |run| run.during.latency_ms(99.0));
    let slow = figure("p99.9", "ms", |run| run.during.latency_ms(99.9));
    let accepted = figure("202s : PROCESSED before", "", Run::accepted);
    let recovered = figure("until the full rate again", "s", Run::recovered);
    for (what, reached, target) in [
        ("p99.9, ms", slow, Target::AtMost(500.0)),
        ("202s : PROCESSED before", accepted, Target::AtLeast(least)),
        (
            "seconds until the full rate again",
            recovered,
            Target::AtMost(5.0),
        ),
    ] {
        report.verdict(format!("{which}{what}"), reached, target);
    }
}

/// Resident memory in each second of each run: how much, and whether it grows.
fn note_memory(report: &mut Report, runs: &[Run], which: &str, seconds: usize) {
    for (process, name) in ["api", "consumer"].into_iter().enumerate() {
        let name = format!("{which}{name}");
        let (mut most, mut growth, mut last) = (vec![], vec![], vec![]);
        for run in runs {
            let looks = run.memory.iter();
            let megabytes: Vec<f64> = looks.map(|look| look[process] as f64 / 1e6).collect();
            // One look is chance: memory that is flat on the whole goes up and down from second to second.
            let warm = megabytes.get(WARM..seconds).unwrap_or(&megabytes);
            let third = warm.len().div_ceil(3);
            let (early, late) = (&warm[..third], &warm[warm.len() - third..]);
            growth.push(median(late) / median(early));
            most.push(megabytes.iter().copied().fold(0.0, f64::max));
            last = megabytes;
        }
        report.figure(format!("memory of the {name}, most"), "MB", most);
        let what = format!("memory of the {name}, last third : first third");
        let growth = report.figure(what.clone(), "", growth);
        report.verdict(what, growth, Target::AtMost(1.1));
        report.curve("overload-memory", ("second", "MB"), name, points(last));
    }
}

/// How long the answers took: by how rare it is, and the longest of each second.
fn note_curves(report: &mut Report, during: &Answers) {
    let slowest = during.slowest.iter().map(|us| *us as f64 / 1000.0);
    let name = "slowest answer to a request of this second";
    report.curve("slowest", ("second", "ms"), name, points(slowest));
    let points = by_percentile(&during.latency);
    report.curve("latency", ("percentile", "ms"), "overload", points);
}

async fn overload(bench: &Bench, before: Trial, rate: f64) -> Result<Run> {
    let mut site = bench.site().await?;
    let mut service = Service::start(&bench.binary, &site, Work::Simulated(Duration::ZERO)).await?;
    service.limit_api(bench.args.cpus)?;
    let senders = bench.args.senders.or(bench.args.cpus.map(|_| SENDERS));
    let (pace, connections) = match senders {
        Some(senders) => (Pace::AtMost(rate), senders),
        None if bench.args.smoke => (Pace::Open(rate), SMOKE_CONNECTIONS),
        None => (Pace::Open(rate), CONNECTIONS),
    };
    let over = Load {
        pace,
        connections,
        ..bench.timed(SECONDS)
    };
    let mut usual = bench.timed(AFTER);
    usual.time = usual.time.min(Duration::from_secs(AFTER));
    let consumer = service.consumer.as_ref().context("no consumer")?.pid();
    let loads = async {
        let during = over.apply(service.address).await?;
        let after = usual.apply(service.address).await?;
        anyhow::Ok((during, after))
    };
    let ((during, after), memory) = watched([service.api.pid(), consumer], loads).await?;
    site.all_done(&mut service, DRAIN_WITHIN).await?;
    service.stop().await?;
    let new = site.committed(&during).await? + site.committed(&after).await?;
    site.check(new).await?;
    site.clear().await?;
    bench.say(&format!(
        "{rate:.0}/s offered, {:.0}/s accepted, p99.9 {:.0} ms; before {:.0} 202s/s, after {:?}",
        during.rate(),
        during.latency_ms(99.9),
        before.answers.rate(),
        after.per_second
    ));
    Ok(Run {
        before,
        rate,
        during,
        after,
        memory,
    })
}

/// Looks at the memory of these processes once a second while `work` goes on.
async fn watched<T>(
    pids: [u32; 2],
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Vec<[u64; 2]>)> {
    let mut work = pin!(work);
    let mut looks = Vec::new();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            // A process that is gone fails the run soon enough.
            _ = every.tick() => looks.push(pids.map(|pid| resident_bytes(pid).unwrap_or(0))),
            done = &mut work => return Ok((done?, looks)),
        }
    }
}

/// A connection is a file, and the usual limit for those that do not ask is 1,024. The service inherits it.
fn allow_many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

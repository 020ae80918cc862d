//! What happens beyond what the service can carry: are its promises kept, and is it itself again soon after?

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{sync::oneshot, task::JoinHandle};

use super::RUN_WITHIN;
use crate::{
    bench::{
        invocation::Bench,
        load::{Answers, Ids, Load, Pace},
        report::{Report, Target, number},
        service::Service,
        trial::{self, DRAIN_WITHIN, Plan, Trial},
        usage::resident_bytes,
    },
    median::median,
};

const MODE: &str = "overload";

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
/// After the overload, how long the service is watched.
const AFTER: Duration = Duration::from_secs(10);
/// The part of the rate from before that counts as full again.
const FULL: f64 = 0.9;
/// From when on memory should be flat, in seconds: connections and buffers are there.
const WARM: usize = 5;

pub(in crate::bench) async fn run(bench: &mut Bench) -> Result<()> {
    allow_many_files()?;
    let count = bench.count(COUNT);
    let factors = bench.args.factor.clone();
    let mut series: Vec<Vec<Run>> = factors.iter().map(|_| Vec::new()).collect();
    for run in bench.runs() {
        for (factor, runs) in factors.iter().zip(&mut series) {
            bench.phase("hookline, as much as it can carry", count);
            let before = trial::on_servers(bench, Plan::closed(bench, count, RUN_WITHIN)).await?;
            let rate = bench.args.rate.unwrap_or(before.rate * factor);
            let overload = overload(bench, rate).await?;
            bench.say(&format!(
                "overload {run}: {rate:.0}/s offered, {:.0}/s accepted, p99.9 {:.0} ms; before {:.0} 202s/s, after {:?}",
                overload.during.rate(),
                overload.during.latency_ms(99.9),
                before.answers.rate(),
                overload.after.per_second
            ));
            runs.push(Run {
                before,
                rate,
                overload,
            });
        }
    }
    let seconds = bench.time(SECONDS).as_secs() as usize;
    for (factor, runs) in factors.iter().zip(&series) {
        let which = match factors.len() {
            1 => String::new(),
            _ => format!("{} times: ", number(*factor)),
        };
        note(&mut bench.report, runs, seconds, *factor, &which);
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
    overload: Overload,
}

impl Run {
    fn refused(&self) -> f64 {
        let during = &self.overload.during;
        during.later.len() as f64 / during.latency.len() as f64
    }

    /// What has left per second: less than was offered where too few senders are free.
    fn sent(&self) -> f64 {
        let during = &self.overload.during;
        during.latency.len() as f64 / during.took.as_secs_f64()
    }

    /// 202s per second of those that could be carried before.
    fn accepted(&self) -> f64 {
        self.overload.during.rate() / self.before.rate
    }

    /// Seconds until the full rate again; one more than was watched if that was not long enough.
    fn recovered(&self) -> f64 {
        let after = &self.overload.after.per_second;
        let full = self.before.answers.rate() * FULL;
        let second = after.iter().position(|count| *count as f64 >= full);
        second.unwrap_or(after.len()) as f64 + 1.0
    }
}

/// Notes the runs of one series; its figures' names begin with `which`.
fn note(report: &mut Report, runs: &[Run], seconds: usize, factor: f64, which: &str) {
    let each = |value: &dyn Fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<f64>>();
    let answered = |percentile| each(&|run| run.overload.during.latency_ms(percentile));
    let mut figure = |what, unit, runs| report.figure(MODE, format!("{which}{what}"), unit, runs);
    figure(
        "before: PROCESSED",
        "webhooks/s",
        each(&|run| run.before.rate),
    );
    figure(
        "before: 202s",
        "webhooks/s",
        each(&|run| run.before.answers.rate()),
    );
    figure("offered", "webhooks/s", each(&|run| run.rate));
    figure("sent", "webhooks/s", each(&Run::sent));
    figure(
        "answered with 202",
        "webhooks/s",
        each(&|run| run.overload.during.rate()),
    );
    figure("answered with 503", "of all", each(&Run::refused));
    figure("p50", "ms", answered(50.0));
    figure("p99", "ms", answered(99.0));
    let slow = figure("p99.9", "ms", answered(99.9));
    let accepted = figure("202s : PROCESSED before", "", each(&Run::accepted));
    let recovered = figure("until the full rate again", "s", each(&Run::recovered));
    report.verdict(
        MODE,
        format!("{which}p99.9, ms"),
        slow,
        Target::AtMost(500.0),
    );
    report.verdict(
        MODE,
        format!("{which}202s : PROCESSED before"),
        accepted,
        Target::AtLeast(target(factor)),
    );
    let api = runs.iter().map(|run| &run.overload.api[..]);
    note_memory(report, &format!("{which}api"), api, seconds);
    let consumer = runs.iter().map(|run| &run.overload.consumer[..]);
    note_memory(report, &format!("{which}consumer"), consumer, seconds);
    report.verdict(
        MODE,
        format!("{which}seconds until the full rate again"),
        recovered,
        Target::AtMost(5.0),
    );
    if let Some(last) = runs.last() {
        note_curves(report, &last.overload.during);
    }
}

/// Resident bytes in each second of each run: how much, and whether it grows.
fn note_memory<'a>(
    report: &mut Report,
    name: &str,
    runs: impl Iterator<Item = &'a [u64]>,
    seconds: usize,
) {
    let (mut most, mut growth, mut last) = (vec![], vec![], vec![]);
    for resident in runs {
        let megabytes: Vec<f64> = resident.iter().map(|bytes| *bytes as f64 / 1e6).collect();
        // One look is chance: memory that is flat on the whole goes up and down from second to second.
        let warm = megabytes.get(WARM..seconds).unwrap_or(&megabytes);
        let third = warm.len().div_ceil(3);
        let (early, late) = (&warm[..third], &warm[warm.len() - third..]);
        growth.push(median(late) / median(early));
        most.push(megabytes.iter().copied().fold(0.0, f64::max));
        last = megabytes;
    }
    report.figure(MODE, format!("memory of the {name}, most"), "MB", most);
    let what = format!("memory of the {name}, last third : first third");
    let growth = report.figure(MODE, what.clone(), "", growth);
    report.verdict(MODE, what, growth, Target::AtMost(1.1));
    let points = (0..).map(f64::from).zip(last).collect();
    report.curve("overload-memory", "second", "MB", name, points);
}

/// How long the answers took: by how rare it is, and the longest of each second.
fn note_curves(report: &mut Report, during: &Answers) {
    let slowest = during.slowest.iter().map(|us| *us as f64 / 1000.0);
    report.curve(
        "slowest",
        "second",
        "ms",
        "slowest answer to a request of this second",
        (0..).map(f64::from).zip(slowest).collect(),
    );
    report.curve(
        "latency",
        "percentile",
        "ms",
        "overload",
        super::latency::by_percentile(&during.latency),
    );
}

struct Overload {
    during: Answers,
    after: Answers,
    /// Resident memory in each second, in bytes.
    api: Vec<u64>,
    consumer: Vec<u64>,
}

async fn overload(bench: &Bench, rate: f64) -> Result<Overload> {
    let time = bench.time(SECONDS);
    let mut site = bench.site().await?;
    let mut service = Service::start(&bench.binary, &site, Duration::ZERO).await?;
    service.limit_api(bench.args.cpus)?;
    let api = watch(service.api.pid());
    let consumer = watch(service.consumer.as_ref().context("no consumer")?.pid());
    bench.phase(
        &format!("hookline, {rate:.0}/s"),
        (rate * time.as_secs_f64()) as u64,
    );
    let load = |pace, connections, time| Load {
        address: service.address,
        connections,
        pace,
        count: u64::MAX,
        time,
        ids: Ids::unique(),
        apart: bench.args.apart,
    };
    let senders = bench.args.senders.or(bench.args.cpus.map(|_| SENDERS));
    let (pace, connections) = match senders {
        Some(senders) => (Pace::AtMost(rate), senders),
        None if bench.args.smoke => (Pace::Open(rate), SMOKE_CONNECTIONS),
        None => (Pace::Open(rate), CONNECTIONS),
    };
    let over = load(pace, connections, time);
    let usual = load(
        Pace::Closed,
        bench.args.connections,
        bench.time(AFTER.as_secs()).min(AFTER),
    );
    let ids = [over.ids, usual.ids];
    let during = over.apply(&bench.progress).await?;
    let after = usual.apply(&bench.progress).await?;
    let (api, consumer) = (api.end().await?, consumer.end().await?);
    site.all_done(&mut service, DRAIN_WITHIN).await?;
    service.stop().await?;
    let new = site.committed(&during, ids[0]).await? + site.committed(&after, ids[1]).await?;
    site.check_new(new).await?;
    site.clear().await?;
    Ok(Overload {
        during,
        after,
        api,
        consumer,
    })
}

/// Looks at a process's memory once a second.
struct Watch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Vec<u64>>,
}

fn watch(pid: u32) -> Watch {
    let (stop, mut stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut looks = Vec::new();
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = every.tick() => looks.push(resident_bytes(pid).unwrap_or(0)),
                _ = &mut stopped => return looks,
            }
        }
    });
    Watch { stop, task }
}

impl Watch {
    async fn end(self) -> Result<Vec<u64>> {
        // An error says that the task is gone already, which the next line tells.
        let _ = self.stop.send(());
        Ok(self.task.await?)
    }
}

/// A connection is a file, and the usual limit for those that do not ask is 1,024. The service inherits it.
fn allow_many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

//! One run of the service: start it, apply a load, wait until all is done, stop it, check, and only then tell figures.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    invocation::Bench,
    load::{Answers, Ids, Load, Pace},
    report::{Report, points},
    service::Service,
    site::{Lag, Moment, Site, Tables},
    usage,
};

/// How long the service may take to finish everything after the last request, its delay aside.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(300);

/// The name of a server in figures.
const POSTGRES: &str = "PostgreSQL";
/// Between what was measured and a process, in the name of a figure of processor time.
pub(super) const PROCESSOR_TIME: &str = ": processor time, ";

/// What to do in a run.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) count: u64,
    pub(super) time: Duration,
    /// How long the simulated call takes.
    pub(super) delay: Duration,
    /// Different ids, if webhooks repeat.
    pub(super) distinct: Option<u64>,
}

impl Plan {
    /// As fast as the service answers, without delay.
    pub(super) fn closed(bench: &Bench, count: u64, time: Duration) -> Self {
        Self {
            pace: Pace::Closed,
            connections: bench.args.connections,
            count,
            time,
            delay: Duration::ZERO,
            distinct: None,
        }
    }
}

/// What came of it.
pub(super) struct Trial {
    pub(super) answers: Answers,
    /// Webhooks per second from the first request to the last `PROCESSED`.
    pub(super) rate: f64,
    /// Processor time of each process, in microseconds per webhook.
    pub(super) processor: Processor,
    /// Commits in each second since the first request.
    pub(super) created: Vec<u64>,
    /// `PROCESSED` in each second since the first request.
    pub(super) processed: Vec<u64>,
    /// From commit to `PROCESSED`.
    pub(super) lag: Option<Lag>,
    /// What PostgreSQL did to the table.
    pub(super) tables: Option<Tables>,
}

/// Runs the service on a new site on PostgreSQL and RabbitMQ.
pub(super) async fn on_servers(bench: &Bench, plan: Plan) -> Result<Trial> {
    let mut site = bench.site().await?;
    let trial = run(bench, &mut site, plan).await?;
    site.clear().await?;
    Ok(trial)
}

/// Runs the service on `site` under this load.
pub(super) async fn run(bench: &Bench, site: &mut Site, plan: Plan) -> Result<Trial> {
    site.settle().await?;
    let mut service = Service::start(&bench.binary, site, plan.delay).await?;
    service.limit_api(bench.args.cpus)?;
    let processes = processes(bench, &service);
    let clock = Clock::start(processes)?;
    let ids = plan.distinct.map_or_else(Ids::unique, Ids::repeating);
    let load = Load {
        address: service.address,
        connections: plan.connections,
        pace: plan.pace,
        count: plan.count,
        time: plan.time,
        ids,
        apart: bench.args.apart,
    };
    let answers = load.apply(&bench.progress).await?;
    site.all_done(&mut service, DRAIN_WITHIN + plan.delay)
        .await?;
    let processor = clock.per_webhook(answers.accepted.max(1))?;
    service.stop().await?;
    ensure!(answers.accepted > 0, "no webhook was accepted");
    match plan.distinct {
        Some(distinct) => site.check_new(distinct.min(answers.accepted)).await?,
        None => site.check(&answers, ids).await?,
    }

    tell(site, answers, processor).await
}

/// What the tables of a run that has passed its check say about it.
pub(super) async fn tell(site: &Site, answers: Answers, processor: Processor) -> Result<Trial> {
    let last = site.last_processed().await?;
    let took = last.duration_since(answers.began).context("clock")?;
    Ok(Trial {
        rate: answers.accepted as f64 / took.as_secs_f64(),
        processor,
        created: site.per_second(Moment::Created, answers.began).await?,
        processed: site.per_second(Moment::Processed, answers.began).await?,
        lag: site.lag(answers.began).await?,
        tables: site.tables().await?,
        answers,
    })
}

/// Notes what runs of one kind have in common; returns the median rate of their 202s.
pub(super) fn note(report: &mut Report, mode: &'static str, what: &str, trials: &[Trial]) -> f64 {
    let each = |value: fn(&Trial) -> f64| trials.iter().map(value).collect::<Vec<f64>>();
    let rates = each(|trial| trial.answers.rate());
    let rate = report.figure(mode, format!("{what}: 202s"), "webhooks/s", rates);
    let processor: Vec<&Processor> = trials.iter().map(|trial| &trial.processor).collect();
    note_processor(report, mode, what, &processor);
    let tables: Vec<Tables> = trials.iter().filter_map(|trial| trial.tables).collect();
    if !tables.is_empty() {
        let read = tables.iter().map(|tables| tables.read_in_sequence);
        report.figure(
            mode,
            format!("{what}: rows read by sequential scans"),
            "rows/webhook",
            read.collect(),
        );
        let hot = tables.iter().map(|tables| tables.updated_in_place);
        report.figure(
            mode,
            format!("{what}: final updates in place (HOT)"),
            "of all",
            hot.collect(),
        );
    }
    if let Some(trial) = trials.last() {
        report.curve(
            "rate",
            "second",
            "webhooks/s",
            format!("{mode}, {what}: 202"),
            points(&trial.created),
        );
        report.curve(
            "rate",
            "second",
            "webhooks/s",
            format!("{mode}, {what}: PROCESSED"),
            points(&trial.processed),
        );
    }
    rate
}

/// Microseconds of processor time per webhook.
pub(super) type Processor = BTreeMap<&'static str, f64>;

/// Notes the processor time of each process in each run.
pub(super) fn note_processor(
    report: &mut Report,
    mode: &'static str,
    what: &str,
    runs: &[&Processor],
) {
    let names: BTreeSet<&str> = runs.iter().flat_map(|run| run.keys().copied()).collect();
    for name in names {
        let used = runs.iter().filter_map(|run| run.get(name).copied());
        let what = format!("{what}{PROCESSOR_TIME}{name}");
        report.figure(mode, what, "µs/webhook", used.collect());
    }
}

/// Everything that works on a webhook but this process, by name.
fn processes(bench: &Bench, service: &Service) -> Vec<(&'static str, u32)> {
    let mut processes = vec![("hookline api", service.api.pid())];
    if let Some(consumer) = &service.consumer {
        processes.push(("hookline consumer", consumer.pid()));
        processes.extend(servers(bench));
    }
    processes
}

fn servers(bench: &Bench) -> impl Iterator<Item = (&'static str, u32)> {
    let pids = bench.servers.iter().flat_map(|servers| {
        [
            (POSTGRES, servers.postgres.pid()),
            ("RabbitMQ", servers.rabbitmq.pid()),
        ]
    });
    pids.filter_map(|(name, pid)| Some((name, pid?)))
}

/// Processor time that is counted from its making on.
pub(super) struct Clock {
    processes: Vec<(&'static str, u32)>,
    before: Vec<f64>,
}

impl Clock {
    /// Counts this process and both servers.
    pub(super) fn of_servers(bench: &Bench) -> Result<Self> {
        Self::start(servers(bench).collect())
    }

    /// Counts this process, PostgreSQL, and `name`, which needs no broker.
    pub(super) fn of_peer(bench: &Bench, name: &'static str, pid: u32) -> Result<Self> {
        let postgres = servers(bench).filter(|(name, _)| *name == POSTGRES);
        Self::start([(name, pid)].into_iter().chain(postgres).collect())
    }

    fn start(processes: Vec<(&'static str, u32)>) -> Result<Self> {
        let before = now(&processes)?;
        Ok(Self { processes, before })
    }

    /// What has been used since, for each of `count` webhooks.
    pub(super) fn per_webhook(&self, count: u64) -> Result<Processor> {
        let used = now(&self.processes)?;
        let names = self.processes.iter().map(|(name, _)| *name);
        let used = used.iter().zip(&self.before);
        let used = used.map(|(after, before)| (after - before) * 1e6 / count as f64);
        Ok(names.chain(["lab"]).zip(used).collect())
    }
}

/// Seconds of each process, and last of this one.
fn now(processes: &[(&'static str, u32)]) -> Result<Vec<f64>> {
    let used = processes.iter().map(|(_, pid)| usage::cpu_seconds(*pid));
    used.chain([usage::own_cpu_seconds()]).collect()
}

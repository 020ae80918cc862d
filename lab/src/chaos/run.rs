//! One run: a world, load, faults, quiet, and the check.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use testbed::proxy::Proxy;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::{
    acts::{Acts, Times},
    check::{DeadLetters, State, check},
    downstream::Downstream,
    figures::Figures,
    history::History,
    load::Senders,
    locked::locked,
    observer::{Observer, Worst},
    operator::{Operator, Scope},
    retention::Retention,
    schedule::{Job, Step},
    summary::Run,
    webhook::Webhooks,
    world::{Db, Instance, Peer, Plan, Servers, Work, World},
};
use crate::queues;

/// How long the operator may take to reach the database of a world that has just begun.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// Load goes on for so long after the last fault.
const AFTER: Duration = Duration::from_secs(3);
/// How long everything may take to become quiet. What is not quiet then is stuck.
const QUIET_WITHIN: Duration = Duration::from_secs(120);
/// How long what came before the healing may take to become final.
const RECOVER_WITHIN: Duration = Duration::from_secs(180);
/// Between two looks for whether it is quiet.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The queue must be found empty so often in a row: the last messages delivered have been acked by then.
const EMPTY_LOOKS: u32 = 3;
/// How long after the end of its work a message may be unacked.
const ACK_WITHIN: Duration = Duration::from_millis(500);
/// What has been waiting for so long waits for the outbox's quarter of an hour.
const LAPSE_AFTER: Duration = Duration::from_secs(4);

/// Carries `job` out on `servers`, in the world of `plan`, at so many webhooks per second, or as many as there are files for. An
/// error says that the harness itself could not go on.
pub(super) async fn run(
    servers: &mut Servers,
    job: &Job,
    plan: &Plan<'_>,
    rate: f64,
) -> Result<Run> {
    let began = Instant::now();
    let run = format!("{}-{}", job.name, job.seed);
    let webhooks = Webhooks::new(run);
    let mut world = World::start(servers, plan, &webhooks).await?;
    // Where a message is published twice, or the broker dies, what has failed has as many as come.
    let are_uncertain = plan.work == Work::Http && plan.refuses > 0.0 && !job.traits.downstream;
    if job.traits.dead_letters || are_uncertain {
        world.dead_letters = DeadLetters::Any;
    }
    world
        .habits
        .send_modify(|habits| habits.times = plan.times(job.traits.times, rate));
    let history = Arc::new(History::default());
    let files = plan.files.requests.clone();
    let mut recording = Recording::start(&world, &webhooks, &history, (rate, files), job.seed)?;
    let mut operation = Operation::start(&world, (plan, job)).await?;

    let recovery = strike(&mut world, &job.steps).await?;
    world.hold(AFTER).await?;
    recording.end_load().await?;
    let acts = operation.end(&mut world).await?;
    let drained = drain(&mut world, job.traits.loses_messages).await?;
    // A run whose outcome another one has brought about is still in flight, and its message unacked, until it ends.
    world.hold(plan.delay + ACK_WITHIN).await?;
    operation.retention.end(&world.db).await?;
    let worst = recording.end_observation().await?;
    world.stop().await?;

    let state = state(&world, &webhooks, worst, acts).await?;
    let (requests, seen) = (history.requests(), history.seen());
    let mut findings = check(&webhooks, &requests, &seen, &state, &job.traits.bounds);
    findings.merge(std::mem::take(&mut world.findings));
    let mut figures = Figures::of(&webhooks, &requests, &state);
    figures.count("looks", seen.len() as u64);
    figures.count("restarts", world.restarts);
    figures.count("reopened", state.reopened.values().sum());
    let sum = |times: &BTreeMap<String, Times>| times.values().map(|one| one.surely).sum();
    figures.count("retried", sum(&state.acts.retried));
    figures.count("replayed", sum(&state.acts.replayed));
    figures.count("bulk_retries", state.acts.bulks);
    figures.count("given_up", state.acts.given_up.len() as u64);
    figures.count("pauses", state.acts.pauses);
    figures.count("retentions", state.acts.retentions);
    figures.spread("behind_ms", history.behind_ms() as f64);
    figures.spread("quiet_in_s", drained.as_secs_f64());
    let recovered_in_s = recovery.join_all().await.into_iter().flatten();
    if let Some(longest) = recovered_in_s.reduce(f64::max) {
        figures.spread("recovered_in_s", longest);
    }
    figures.violations = findings.counts;
    figures.deaths = std::mem::take(&mut world.deaths);
    figures.took_s = began.elapsed().as_secs_f64();
    let run = Run {
        fault: job.name.clone(),
        row: job.row,
        seed: job.seed,
        work: plan.work,
        schedule: job.steps.clone(),
        figures,
        examples: findings.examples,
        notes: std::mem::take(&mut world.notes),
    };
    world.clear().await?;
    Ok(run)
}

/// One fault after the other, each mended before the next.
/// Returns who watches what becomes of each.
async fn strike(world: &mut World<'_>, steps: &[Step]) -> Result<JoinSet<Option<f64>>> {
    let usual = *world.habits.borrow();
    let mut recovery = JoinSet::new();
    for step in steps {
        world.hold(step.after()).await?;
        let struck = step.fault.strike(world, step.lasts()).await;
        world.heal().await?;
        world.habits.send_replace(usual);
        struck.with_context(|| format!("could not inject {}", step.fault.name()))?;
        recovery.spawn(recovered(world.db.clone(), healed_at(world).await?));
    }
    Ok(recovery)
}

/// Senders and readers at their work.
struct Recording {
    load: JoinHandle<Result<()>>,
    observation: JoinHandle<Result<Worst>>,
    end_load: watch::Sender<bool>,
    end_observation: watch::Sender<bool>,
}

impl Recording {
    fn start(
        world: &World<'_>,
        webhooks: &Webhooks,
        history: &Arc<History>,
        (rate, files): (f64, Arc<Semaphore>),
        seed: u64,
    ) -> Result<Self> {
        let doors = world.proxies(Peer::Senders);
        let apis = world.instances.iter();
        let apis = apis.filter(|instance| instance.proxy(Peer::Senders).is_some());
        let senders = Senders {
            targets: doors.map(Proxy::address).collect(),
            webhooks: webhooks.clone(),
            history: history.clone(),
            rate,
            files,
            seed,
            began: Instant::now(),
            habits: world.habits.subscribe(),
            next: 0.into(),
        };
        let observer = Observer {
            apis: apis.map(Instance::address).collect(),
            db: world.db.clone(),
            webhooks: webhooks.clone(),
            history: history.clone(),
            seed,
        };
        if senders.targets.is_empty() {
            bail!("there is no API to send to");
        }
        let (end_load, load_ends) = watch::channel(false);
        let (end_observation, observation_ends) = watch::channel(false);
        Ok(Self {
            load: tokio::spawn(senders.run(load_ends)),
            observation: tokio::spawn(observer.run(observation_ends)),
            end_load,
            end_observation,
        })
    }

    /// Ends the load, and returns once every request has ended.
    async fn end_load(&mut self) -> Result<()> {
        self.end_load.send_replace(true);
        (&mut self.load).await?
    }

    async fn end_observation(self) -> Result<Worst> {
        self.end_observation.send_replace(true);
        self.observation.await?
    }
}

/// The operator at work.
struct Operation {
    acts: Arc<Mutex<Acts>>,
    work: JoinHandle<Result<()>>,
    retention: Retention,
    rounds: JoinHandle<Result<u64>>,
    end: watch::Sender<bool>,
}

impl Operation {
    async fn start(world: &World<'_>, (plan, job): (&Plan<'_>, &Job)) -> Result<Self> {
        let acts = Arc::default();
        let operator = Operator {
            db: Db::open(&world.database_url, world.bound, OPEN_WITHIN).await?,
            mender: world.downstream.as_ref().map(Downstream::mender),
            scope: match job.traits.bounds.forbids_acts() {
                true => Scope::Replays,
                false => Scope::Everything,
            },
            seed: job.seed,
            acts: Arc::clone(&acts),
        };
        let retention = Retention {
            binary: plan.binary.to_owned(),
            database_url: world.database_url.clone(),
            seed: job.seed,
        };
        let (end, ends) = watch::channel(false);
        Ok(Self {
            acts,
            work: tokio::spawn(operator.run(ends.clone())),
            rounds: tokio::spawn(retention.clone().run(ends)),
            retention,
            end,
        })
    }

    /// Returns what it has done, once nothing of it goes on.
    async fn end(&mut self, world: &mut World<'_>) -> Result<Acts> {
        self.end.send_replace(true);
        while !(self.work.is_finished() && self.rounds.is_finished()) {
            world.hold(LOOK_EVERY).await?;
        }
        (&mut self.work).await??;
        let retentions = (&mut self.rounds).await??;
        let running = "SELECT count(*) FROM bulk_retries WHERE state = 'RUNNING'";
        let start = Instant::now();
        while start.elapsed() < QUIET_WITHIN {
            if let Ok(0) = world.db.one::<i64>(running).await {
                break;
            }
            world.hold(LOOK_EVERY).await?;
        }
        let acts = locked(&self.acts).clone();
        Ok(Acts { retentions, ..acts })
    }
}

/// Waits until nothing is left to do, or until it has waited long enough: the check tells what is left. Returns how long
/// it took.
async fn drain(world: &mut World<'_>, lapse: bool) -> Result<Duration> {
    let start = Instant::now();
    let mut lapsed = Instant::now();
    let mut empty = 0;
    while empty < EMPTY_LOOKS && start.elapsed() < QUIET_WITHIN {
        world.hold(LOOK_EVERY).await?;
        let done = match world.db.unfinished().await {
            Ok(left) => left.rows == 0 && left.outbox == 0,
            // Right after a crash, a look may fail.
            Err(_) => false,
        };
        let ready = world.messages(&world.queue).await;
        empty = if done && ready.is_ok_and(|ready| ready == 0) {
            empty + 1
        } else {
            0
        };
        if lapse && !done && lapsed.elapsed() > LAPSE_AFTER {
            world.db.let_time_pass().await?;
            lapsed = Instant::now();
        }
    }
    Ok(start.elapsed())
}

/// What is there now that every process has stopped.
async fn state(world: &World<'_>, webhooks: &Webhooks, worst: Worst, acts: Acts) -> Result<State> {
    let unfinished = world.db.unfinished().await?;
    let outbox = unfinished.outbox.unsigned_abs();
    let dead_letter = queues::dead_letter(&world.queue);
    let downstream = world.downstream.as_ref();
    Ok(State {
        rows: world.db.rows().await?,
        old: world.db.old(webhooks).await?,
        left_of_the_past: world.db.left_of_the_past().await?.unsigned_abs(),
        conflicts: world.db.conflicts().await?,
        outbox: outbox.max(worst.orphaned),
        unguarded: worst.unguarded.max(unfinished.unguarded.unsigned_abs()),
        rewrites: world.db.rewrites().await?,
        ready: world.messages(&world.queue).await?,
        // A consumer that died with the whole virtual host has declared none since.
        dead_letters: world.messages(&dead_letter).await.unwrap_or(0),
        made: world.dead_letters,
        calls: downstream.map(Downstream::calls).unwrap_or_default(),
        deaths: world.deaths_since_downstream(),
        lost_leases: world.lost_leases(),
        failures: world.db.failures().await?,
        reopened: world.db.reopened().await?,
        acts,
        strays: world.db.strays().await?.unsigned_abs(),
        idle_in_transaction: worst.idle_in_transaction,
    })
}

/// When everything was mended, by the database's clock and by ours.
async fn healed_at(world: &World<'_>) -> Result<(String, Instant)> {
    let start = Instant::now();
    loop {
        match world.db.now().await {
            Ok(now) => return Ok((now, start)),
            Err(error) if start.elapsed() > RECOVER_WITHIN => return Err(error),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Watches until everything that was committed before is final, and says after how many seconds; `None` if it has not come
/// to that.
async fn recovered(db: Db, (healed, start): (String, Instant)) -> Option<f64> {
    while start.elapsed() < RECOVER_WITHIN {
        if let Ok(0) = db.open_until(&healed).await {
            return Some(start.elapsed().as_secs_f64());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

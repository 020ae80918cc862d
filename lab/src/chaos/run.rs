//! One run: a world, load, faults, quiet, and the check.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use testbed::proxy::Proxy;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    check::{DeadLetters, State, check, overlaps, repeats},
    downstream::Downstream,
    history::History,
    load::{Room, Senders},
    observer::{Observer, Worst},
    report::{Outcomes, Run},
    schedule::{Job, Step},
    webhook::Webhooks,
    world::{Db, Instance, Peer, Plan, Servers, World},
};
use crate::queues;

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

/// Carries `job` out on `servers`, in the world of `plan`, at so many webhooks per second. An error says that the harness
/// itself could not go on.
pub(super) async fn run(
    servers: &mut Servers,
    job: &Job,
    plan: &Plan<'_>,
    room: Room,
) -> Result<Run> {
    let began = Instant::now();
    let mut spent = Spent::start();
    let run = format!("{}-{}", job.name, job.seed);
    let webhooks = Webhooks { run };
    let mut world = World::start(servers, plan).await?;
    if job.traits.dead_letters {
        world.dead_letters = DeadLetters::Any;
    }
    world
        .habits
        .send_modify(|habits| habits.times = job.traits.times);
    let history = Arc::new(History::default());
    let recording = Recording::start(&world, &webhooks, &history, room, job.seed)?;
    spent.on("start");

    let recovery = strike(&mut world, &job.steps).await?;
    spent.on("faults");
    world.hold(AFTER).await?;
    recording.end_load().await?;
    spent.on("load after");
    let drained = drain(&mut world, job.traits.loses_messages).await?;
    // A run whose outcome another one has brought about is still in flight, and its message unacked, until it ends.
    world.hold(plan.delay + ACK_WITHIN).await?;
    spent.on("quiet");
    let worst = recording.end_observation().await?;
    spent.on("last looks");
    world.stop().await?;
    spent.on("stop");

    let state = state(&world, worst).await?;
    let (requests, seen) = (history.requests(), history.seen());
    let mut findings = check(&webhooks, &requests, &seen, &state, &job.traits.bounds);
    findings.merge(std::mem::take(&mut world.findings));
    let recovered_in = Recovery::slowest(recovery).await?;
    let has_calls = world.downstream.is_some();
    spent.on("check");
    let run = Run {
        fault: job.name.clone(),
        row: job.row,
        seed: job.seed,
        work: plan.work,
        schedule: job.steps.clone(),
        behind_ms: history.behind_ms(),
        outcomes: Outcomes::of(&webhooks, &requests, &state),
        violations: findings.all(),
        examples: findings.examples,
        recovered_in_s: recovered_in,
        quiet_in_s: drained.as_secs_f64(),
        restarts: world.restarts,
        looks: seen.len() as u64,
        overlapping_runs: has_calls.then(|| overlaps(&state.calls)),
        repeated_calls: has_calls.then(|| repeats(&state.calls)),
        lost_leases: state.lost_leases,
        deaths: std::mem::take(&mut world.deaths),
        time_lapse: job.traits.loses_messages,
        notes: std::mem::take(&mut world.notes),
        took_s: began.elapsed().as_secs_f64(),
        spent_s: spent.0,
    };
    world.clear().await?;
    Ok(run)
}

/// One fault after the other, each mended before the next.
async fn strike(world: &mut World<'_>, steps: &[Step]) -> Result<Vec<Recovery>> {
    let usual = *world.habits.borrow();
    let mut recovery = Vec::new();
    for step in steps {
        world.hold(step.after()).await?;
        let struck = step.fault.strike(world, step.lasts()).await;
        world.heal().await?;
        world.habits.send_replace(usual);
        struck.with_context(|| format!("could not inject {}", step.fault.name()))?;
        recovery.push(Recovery::watch(world).await?);
    }
    Ok(recovery)
}

/// What the time of a run goes into, in seconds.
struct Spent(BTreeMap<&'static str, f64>, Instant);

impl Spent {
    fn start() -> Self {
        Self(BTreeMap::new(), Instant::now())
    }

    /// Everything since the last call went into `what`.
    fn on(&mut self, what: &'static str) {
        let now = Instant::now();
        let since = std::mem::replace(&mut self.1, now);
        self.0.insert(what, (now - since).as_secs_f64());
    }
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
        room: Room,
        seed: u64,
    ) -> Result<Self> {
        let doors = world.proxies(Peer::Senders);
        let apis = world.instances.iter();
        let apis = apis.filter(|instance| instance.proxy(Peer::Senders).is_some());
        let senders = Senders {
            targets: doors.map(Proxy::address).collect(),
            webhooks: webhooks.clone(),
            history: history.clone(),
            room,
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
    async fn end_load(&self) -> Result<()> {
        self.end_load.send_replace(true);
        while !self.load.is_finished() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn end_observation(self) -> Result<Worst> {
        self.end_observation.send_replace(true);
        self.load.await??;
        self.observation.await?
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
async fn state(world: &World<'_>, worst: Worst) -> Result<State> {
    let unfinished = world.db.unfinished().await?;
    let outbox = unfinished.outbox.unsigned_abs();
    let dead_letter = queues::dead_letter(&world.queue);
    let downstream = world.downstream.as_ref();
    Ok(State {
        rows: world.db.rows().await?,
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
        idle_in_transaction: worst.idle_in_transaction,
    })
}

/// Watches until everything that was committed before the healing is final.
struct Recovery(JoinHandle<Option<f64>>);

impl Recovery {
    async fn watch(world: &World<'_>) -> Result<Self> {
        let start = Instant::now();
        let db = world.db.clone();
        let healed = loop {
            match db.now().await {
                Ok(now) => break now,
                Err(error) if start.elapsed() > RECOVER_WITHIN => return Err(error),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        Ok(Self(tokio::spawn(recovered(db, healed, start))))
    }

    /// The longest of all, in seconds; `None` if it has come to that nowhere.
    async fn slowest(all: Vec<Self>) -> Result<Option<f64>> {
        let mut slowest = None;
        for Self(watch) in all {
            if let Some(recovered) = watch.await? {
                slowest = Some(slowest.map_or(recovered, |most: f64| most.max(recovered)));
            }
        }
        Ok(slowest)
    }
}

async fn recovered(db: Db, healed: String, start: Instant) -> Option<f64> {
    while start.elapsed() < RECOVER_WITHIN {
        if let Ok(0) = db.open_until(&healed).await {
            return Some(start.elapsed().as_secs_f64());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

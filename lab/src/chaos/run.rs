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
    check::{Bounds, DeadLetters, Findings, State, Violation, check},
    downstream::{Call, again, brushed_off, overlaps, refused, repeats, sick, unexplained},
    history::History,
    load::{Habits, Senders},
    observer::{Observer, Worst},
    report::{Outcomes, Run},
    schedule::Step,
    webhook::Webhooks,
    world::{Db, Ground, Instance, Peer, Plan, World},
};
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

/// What to do in a run.
pub(super) struct Task<'a> {
    pub(super) name: String,
    pub(super) row: &'static str,
    pub(super) steps: Vec<Step>,
    pub(super) plan: Plan<'a>,
    /// Webhooks per second.
    pub(super) rate: f64,
    /// Whether the outbox's quarter of an hour passes at once when everything waits for it.
    pub(super) lapse: bool,
    /// Whether the broker may give messages up.
    pub(super) dead_letters: bool,
    /// Whether two runs of one id may overlap, because one of the two processes could not know that it had been given
    /// up.
    pub(super) overlaps: bool,
    /// How many times the usual rate.
    pub(super) times: f64,
    /// What is promised beyond what always is.
    pub(super) bounds: Bounds,
}

/// Carries `task` out on `ground`. An error says that the harness itself could not go on.
pub(super) async fn run(ground: &mut Ground, task: Task<'_>) -> Result<Run> {
    let began = Instant::now();
    let (seed, delay, work) = (task.plan.seed, task.plan.delay, task.plan.work);
    let mut spent = Spent::start();
    let webhooks = Webhooks {
        run: format!("{}-{seed}", task.name),
    };
    let mut world = World::start(ground, task.plan).await?;
    if task.dead_letters {
        world.dead_letters = DeadLetters::Any;
    }
    world.habits.send_modify(|habits| habits.times = task.times);
    let usual = *world.habits.borrow();
    let history = Arc::new(History::default());
    let recording = Recording::start(&world, &webhooks, &history, task.rate, seed)?;
    spent.on("start");

    let recovery = strike(&mut world, &task.steps, usual).await?;
    spent.on("faults");
    world.hold(AFTER).await?;
    recording.end_load().await?;
    spent.on("load after");
    let drained = drain(&mut world, task.lapse).await?;
    // A run whose outcome another one has brought about is still in flight, and its message unacked, until it ends.
    world.hold(delay + ACK_WITHIN).await?;
    spent.on("quiet");
    let worst = recording.end_observation().await?;
    spent.on("last looks");
    world.stop().await?;
    spent.on("stop");

    let calls = world
        .downstream
        .as_ref()
        .map(|downstream| downstream.calls());
    let state = state(&world, worst, calls.as_deref()).await?;
    let (requests, seen) = (history.requests(), history.seen());
    let right = dead_letters(&world, &state);
    let mut findings = check(&webhooks, &requests, &seen, &state, right, &task.bounds);
    if let Some(calls) = &calls {
        check_calls(&world, calls, task.overlaps, &mut findings);
    }
    findings.merge(std::mem::take(&mut world.findings));
    let recovered_in = Recovery::slowest(recovery).await?;
    spent.on("check");
    let run = Run {
        number: 0,
        fault: task.name,
        row: task.row,
        seed,
        work,
        schedule: task.steps,
        behind_ms: history.behind_ms(),
        outcomes: Outcomes::of(&webhooks, &requests, &state),
        violations: findings.all(),
        examples: findings.examples,
        recovered_in_s: recovered_in,
        quiet_in_s: drained.as_secs_f64(),
        restarts: world.restarts,
        looks: seen.len() as u64,
        overlapping_runs: calls.as_deref().map(overlaps),
        repeated_calls: calls.as_deref().map(repeats),
        lost_leases: world.lost_leases(),
        deaths: std::mem::take(&mut world.deaths),
        time_lapse: task.lapse,
        notes: std::mem::take(&mut world.notes),
        took_s: began.elapsed().as_secs_f64(),
        spent_s: spent.0,
    };
    world.clear().await?;
    Ok(run)
}

/// How many dead letters are right: each transaction that has failed has one. Whether it may have is another question.
fn dead_letters(world: &World<'_>, state: &State) -> DeadLetters {
    match world.dead_letters {
        DeadLetters::Exactly(poison) => DeadLetters::Exactly(poison + state.failed()),
        DeadLetters::Any => DeadLetters::Any,
    }
}

/// One fault after the other, each mended before the next.
async fn strike(world: &mut World<'_>, steps: &[Step], usual: Habits) -> Result<Vec<Recovery>> {
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

/// No two calls of one key at once, and none again without a reason that can be seen.
fn check_calls(world: &World<'_>, calls: &[Call], may_overlap: bool, findings: &mut Findings) {
    if !may_overlap {
        let what = "runs of one id overlapped";
        findings.add(Violation::Overlap, overlaps(calls), what);
    }
    // Who has lost its lease has given everything back, and done it in vain.
    if world.lost_leases() == 0 {
        let unexplained = unexplained(calls, &world.deaths_since_downstream());
        let what = "calls that nothing explains";
        findings.add(Violation::Repeated, unexplained, what);
    }
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
        rate: f64,
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
async fn state(world: &World<'_>, worst: Worst, calls: Option<&[Call]>) -> Result<State> {
    let unfinished = world.db.unfinished().await?;
    let outbox = unfinished.outbox.unsigned_abs();
    Ok(State {
        rows: world.db.rows().await?,
        conflicts: world.db.conflicts().await?,
        outbox: outbox.max(worst.orphaned),
        unguarded: worst.unguarded.max(unfinished.unguarded.unsigned_abs()),
        rewrites: world.db.rewrites().await?,
        ready: world.messages(&world.queue).await?,
        // A consumer that died with the whole virtual host has declared none since.
        dead_letters: world.messages(&world.dead_letter()).await.unwrap_or(0),
        refused: calls.map(refused).unwrap_or_default(),
        brushed_off: calls.map(brushed_off).unwrap_or_default(),
        sick: calls.map(sick).unwrap_or_default(),
        again: calls.map(again).unwrap_or_default(),
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

impl Findings {
    /// Takes over what `other` has found.
    fn merge(&mut self, other: Self) {
        for (violation, count) in other.all() {
            self.add(violation, count, other.examples.join("; "));
        }
    }
}

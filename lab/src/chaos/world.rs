//! The world of one run: servers, several processes of the service, a proxy before every connection, and a downstream
//! service.

mod connection_hog;
mod database;
mod instance;
mod past;
mod servers;
mod start;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rand::{
    RngExt as _,
    rngs::StdRng,
    seq::{IndexedRandom as _, IteratorRandom as _},
};
use testbed::{
    folder::Folder,
    postgres,
    proxy::{Mode, Proxy},
    rabbitmq,
};
use tokio::sync::watch;
use uuid::Uuid;

pub(super) use self::{
    connection_hog::ConnectionHog,
    database::Db,
    instance::{Instance, Peer, Role},
    servers::{End, Kind, Servers},
    start::{CALL_WITHIN, Plan, Work},
};
use super::{
    check::{DeadLetters, Findings, Violation},
    downstream::Downstream,
    load::Habits,
};
use crate::queues;

/// Processes of each role.
const PROCESSES: u32 = 2;
/// How long the service may take to come up.
const READY: Duration = Duration::from_secs(60);
/// Between two looks at the processes.
const KEEP_EVERY: Duration = Duration::from_millis(100);

/// Whom a fault hits.
#[derive(Clone, Copy)]
pub(super) enum Whom {
    All,
    /// Every process in this role.
    Every(Role),
    /// One process in this role, by the seed. The others of its role have work enough for one more.
    One(Role),
    /// Any process, by the seed.
    Any,
    /// All of them or any of them, by the seed.
    AnyOrAll,
}

pub(super) struct World<'s> {
    pub(super) servers: &'s mut Servers,
    /// Where the embedded database is, if it is one.
    folder: Option<Folder>,
    pub(super) instances: Vec<Instance>,
    /// Straight to the database, past every proxy.
    pub(super) db: Db,
    /// What was there before the run has a lower id.
    pub(super) bound: Uuid,
    /// The database, as a URL.
    pub(super) database_url: String,
    pub(super) queue: String,
    pub(super) habits: watch::Sender<Habits>,
    pub(super) downstream: Option<Downstream>,
    /// What the processes themselves gave cause to note.
    pub(super) findings: Findings,
    pub(super) dead_letters: DeadLetters,
    /// How often a process was ended by a fault, or ended by itself, and was started again.
    pub(super) restarts: u64,
    /// Deaths at each failpoint.
    pub(super) deaths: BTreeMap<String, u64>,
    /// Anything worth telling about what happened.
    pub(super) notes: Vec<String>,
    /// Whom and what a fault hits follows from the seed, too.
    pub(super) random: StdRng,
}

impl World<'_> {
    /// Waits until every process runs and is connected.
    async fn ready(&mut self) -> Result<()> {
        let start = Instant::now();
        for at in 0..self.instances.len() {
            while !self.instances[at].answers().await {
                self.keep().await?;
                let instance = &self.instances[at];
                ensure!(
                    start.elapsed() < READY,
                    "{} does not come up: {}",
                    instance.name,
                    instance.log_tail()
                );
                tokio::time::sleep(KEEP_EVERY).await;
            }
        }
        while !self.servers.brokers.is_empty() {
            let consumers =
                self.on_broker(async |url| rabbitmq::consumer_count(url, &self.queue).await);
            if consumers.await.is_ok_and(|count| count >= PROCESSES) {
                break;
            }
            self.keep().await?;
            ensure!(start.elapsed() < READY, "the consumers do not subscribe");
            tokio::time::sleep(KEEP_EVERY).await;
        }
        Ok(())
    }

    /// Asks the first broker that answers.
    async fn on_broker<T>(&self, ask: impl AsyncFn(&str) -> Result<T>) -> Result<T> {
        let mut outcome = Err(anyhow::anyhow!("there is no broker"));
        for broker in &self.servers.brokers {
            outcome = ask(&broker.amqp_url()).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// How many messages wait in `queue`; none in the one inside the process, which the outbox tells about.
    pub(super) async fn messages(&self, queue: &str) -> Result<u64> {
        if self.servers.brokers.is_empty() {
            return Ok(0);
        }
        let count = self.on_broker(async |url| rabbitmq::message_count(url, queue).await);
        count.await.map(u64::from)
    }

    /// Starts every process again that has ended, as an operator's supervisor would.
    pub(super) async fn keep(&mut self) -> Result<()> {
        for instance in &mut self.instances {
            if instance.has_ended()? {
                self.restarts += 1;
                instance.spawn()?;
            }
        }
        Ok(())
    }

    /// Lets the fault last, and keeps the processes up meanwhile.
    pub(super) async fn hold(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(KEEP_EVERY.min(left)).await;
            self.keep().await?;
        }
        Ok(())
    }

    /// The same, for so many milliseconds, by the seed.
    pub(super) async fn hold_about(&mut self, milliseconds: std::ops::Range<u64>) -> Result<()> {
        let time = self.random.random_range(milliseconds);
        self.hold(Duration::from_millis(time)).await
    }

    /// Does `once` until the time is over.
    pub(super) async fn repeat(
        &mut self,
        time: Duration,
        mut once: impl AsyncFnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            once(self).await?;
        }
        Ok(())
    }

    /// Waits until these rows, by their ids, are final, and for no longer than `within`; notes what is not as late.
    pub(super) async fn finish(&mut self, ids: &[String], within: Duration) -> Result<Duration> {
        let start = Instant::now();
        let open = format!(
            "SELECT count(*) FROM transactions WHERE status = 'PROCESSING' AND id = ANY('{{{}}}')",
            ids.join(",")
        );
        let mut left: i64 = self.db.one(&open).await?;
        while left > 0 && start.elapsed() < within {
            self.hold(KEEP_EVERY).await?;
            left = self.db.one(&open).await?;
        }
        let what = format!("{left} of {} were not final within {within:?}", ids.len());
        self.findings
            .add(Violation::Late, left.unsigned_abs(), what);
        Ok(start.elapsed())
    }

    /// The processes that a fault hits, this time.
    pub(super) fn hit(&mut self, whom: Whom) -> Vec<usize> {
        let all = 0..self.instances.len();
        let in_role = |role| {
            let instances = self.instances.iter().enumerate();
            let in_role = instances.filter(move |(_, instance)| instance.role == role);
            in_role.map(|(at, _)| at).collect::<Vec<_>>()
        };
        match whom {
            Whom::All => all.collect(),
            Whom::Every(role) => in_role(role),
            Whom::One(role) => Vec::from_iter(in_role(role).choose(&mut self.random).copied()),
            Whom::Any => Vec::from_iter(all.choose(&mut self.random)),
            Whom::AnyOrAll if self.random.random_bool(0.5) => all.collect(),
            Whom::AnyOrAll => Vec::from_iter(all.choose(&mut self.random)),
        }
    }

    /// One of the processes in `role`, by the seed.
    pub(super) fn pick(&mut self, role: Role) -> usize {
        self.hit(Whom::One(role)).pop().unwrap_or(0)
    }

    /// Kills these processes in the same moment, and starts them again at once.
    pub(super) async fn kill_and_start(&mut self, whom: &[usize]) -> Result<()> {
        for at in whom {
            self.instances[*at].pause();
        }
        for at in whom {
            self.instances[*at].kill().await?;
        }
        self.keep().await
    }

    /// The proxies between all processes and `peer`.
    pub(super) fn proxies(&self, peer: Peer) -> impl Iterator<Item = &Proxy> {
        let all = self.instances.iter();
        all.filter_map(move |instance| instance.proxy(peer))
    }

    /// Tells all of them the same.
    pub(super) fn set_all(&self, peer: Peer, mode: Mode) {
        for proxy in self.proxies(peer) {
            proxy.set(mode);
        }
    }

    /// Whatever a fault has not undone: every proxy passes, every process and every server runs, senders behave. What is
    /// lost stays lost.
    pub(super) async fn heal(&mut self) -> Result<()> {
        for peer in Peer::ALL {
            self.set_all(peer, Mode::Pass);
        }
        for instance in &mut self.instances {
            instance.resume();
        }
        self.habits.send_replace(Habits::USUAL);
        self.servers.heal().await?;
        self.keep().await
    }

    /// Stops every process in good order, the APIs first, and notes which one did not obey.
    pub(super) async fn stop(&mut self) -> Result<()> {
        for instance in &mut self.instances {
            if let Err(error) = instance.stop().await {
                self.findings.note(Violation::BadExit, format!("{error:#}"));
            }
        }
        for instance in &self.instances {
            let what = format!("{} panicked", instance.name);
            self.findings.add(Violation::Panic, instance.panics, what);
        }
        Ok(())
    }

    /// How often a consumer lost its lease.
    pub(super) fn lost_leases(&self) -> u64 {
        self.instances.iter().map(|one| one.lost_leases).sum()
    }

    /// When processes have ended, since downstream was started.
    pub(super) fn deaths_since_downstream(&self) -> Vec<Duration> {
        let Some(downstream) = &self.downstream else {
            return Vec::new();
        };
        let deaths = self.instances.iter().flat_map(|one| &one.deaths);
        deaths
            .map(|at| at.saturating_duration_since(downstream.began()))
            .collect()
    }

    /// Removes database and queues.
    pub(super) async fn clear(self) -> Result<()> {
        drop(self.instances);
        self.db.close().await?;
        if self.folder.is_none() {
            postgres::drop_database(&self.database_url).await?;
        }
        for broker in &self.servers.brokers {
            if queues::delete_all(&broker.amqp_url(), &self.queue)
                .await
                .is_ok()
            {
                break;
            }
        }
        Ok(())
    }
}

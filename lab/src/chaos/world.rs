//! The world of one run: servers, several processes of the service, a proxy before every connection, and a downstream service.

mod database;
mod furnish;
mod ground;
mod hoard;
mod instance;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use rand::{rngs::StdRng, seq::IndexedRandom as _};
use testbed::{
    folder::Folder,
    postgres,
    proxy::{Mode, Proxy},
    rabbitmq,
};
use tokio::sync::watch;

pub(super) use self::{
    database::Db,
    furnish::{CALL_WITHIN, Plan, Work},
    ground::{Ground, Kind},
    hoard::Hoard,
    instance::{Instance, Peer, Role},
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

pub(super) struct World<'g> {
    pub(super) ground: &'g mut Ground,
    /// Where the embedded database is, if it is one.
    folder: Option<Folder>,
    pub(super) instances: Vec<Instance>,
    /// Straight to the database, past every proxy.
    pub(super) db: Db,
    /// The same, as a URL.
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
    pub(super) deaths: BTreeMap<&'static str, u64>,
    /// Anything worth telling about what happened.
    pub(super) notes: Vec<String>,
    /// Whom and what a fault hits follows from the seed, too.
    pub(super) random: StdRng,
    pub(super) failpoints: Option<PathBuf>,
    progress: ProgressBar,
    began: Instant,
}

impl World<'_> {
    /// Waits until every process runs and is connected.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let start = Instant::now();
        for at in 0..self.instances.len() {
            while !self.instances[at].answers().await {
                self.keep().await?;
                ensure!(
                    start.elapsed() < READY,
                    "{} does not come up: {}",
                    self.instances[at].name,
                    self.instances[at].log_tail()
                );
                tokio::time::sleep(KEEP_EVERY).await;
            }
        }
        while !self.ground.brokers.is_empty() {
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
    pub(super) async fn on_broker<T>(&self, ask: impl AsyncFn(&str) -> Result<T>) -> Result<T> {
        let mut outcome = Err(anyhow::anyhow!("there is no broker"));
        for broker in &self.ground.brokers {
            outcome = ask(&broker.amqp_url()).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// How many messages wait in `queue`; none in the one inside the process, which the outbox tells about.
    pub(super) async fn messages(&self, queue: &str) -> Result<u64> {
        if self.ground.brokers.is_empty() {
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
            self.tick();
        }
        Ok(())
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

    /// Moves the progress bar.
    pub(super) fn tick(&self) {
        self.progress.set_position(self.began.elapsed().as_secs());
    }

    /// One of the processes in `role`, by the seed.
    pub(super) fn pick(&mut self, role: Role) -> usize {
        let all = self.instances.iter().enumerate();
        let in_role = all.filter(|(_, instance)| instance.role == role);
        let in_role: Vec<usize> = in_role.map(|(at, _)| at).collect();
        in_role.choose(&mut self.random).copied().unwrap_or(0)
    }

    /// Kills an instance and starts it again at once.
    pub(super) async fn kill_and_start(&mut self, at: usize) -> Result<()> {
        self.restarts += 1;
        self.instances[at].kill().await?;
        self.instances[at].spawn()
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

    /// Whatever a fault may have forgotten to undo: every proxy passes, every process runs, senders behave. What is lost
    /// stays lost.
    pub(super) async fn heal(&mut self) -> Result<()> {
        for peer in Peer::ALL {
            self.set_all(peer, Mode::Pass);
        }
        for instance in &mut self.instances {
            instance.resume();
        }
        self.habits.send_replace(Habits::USUAL);
        self.ground.heal().await?;
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
            let panics = instance.panics;
            let what = format!("{} panicked", instance.name);
            self.findings.add(Violation::Panic, panics, what);
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
        let Self {
            instances,
            db,
            database_url,
            queue,
            ground,
            folder,
            ..
        } = self;
        drop(instances);
        db.close().await?;
        if folder.is_none() {
            postgres::drop_database(&database_url).await?;
        }
        for queue in queues::all(&queue) {
            for broker in &ground.brokers {
                if rabbitmq::delete_queue(&broker.amqp_url(), &queue)
                    .await
                    .is_ok()
                {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Where the service puts messages that it cannot use.
    pub(super) fn dead_letter(&self) -> String {
        queues::dead_letter(&self.queue)
    }
}

//! The senders: an open loop of so many webhooks per second, whatever becomes of them. New ones, repeats, repeats with
//! another content, what must be refused; signed ones among them; senders that wait, that leave early, and that try again at once.

mod answer;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{
    history::{History, Outcome, Request},
    webhook::{Variant, Webhooks},
};
use crate::stripe;

/// Tasks that send.
const CLIENTS: u32 = 8;
/// Requests of one client that may wait for their answers; more are not sent, as a real sender's sockets have an end.
const UNDER_WAY: usize = 512;
/// Connections that one client keeps to each API. What a burst has opened beyond that must not take others' files.
const KEPT: usize = 16;
/// How long a sender waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same in a storm of repeats.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// How often a sender in a storm repeats one webhook.
const RETRIES: u32 = 30;
/// The part of what seems to be signed that is forged, at least.
const FORGED: f64 = 0.08;
/// The part of the requests that repeat what came long before the run.
const OLD: f64 = 0.02;
/// Senders that leave early do so within so many milliseconds.
const LEAVE_WITHIN_MS: u64 = 6;

/// How senders behave at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Habits {
    /// The part of the requests whose sender leaves before the answer.
    pub(super) leave: f64,
    /// The part of the requests that repeat an earlier webhook.
    pub(super) repeat: f64,
    /// The part of the requests that must be refused.
    pub(super) poison: f64,
    /// Whether senders give up after a second and try again at once.
    pub(super) storm: bool,
    /// How many times the usual rate.
    pub(super) times: f64,
}

impl Habits {
    /// A good day.
    pub(super) const USUAL: Self = Self {
        leave: 0.02,
        repeat: 0.16,
        poison: 0.01,
        storm: false,
        times: 1.0,
    };
}

/// What all senders share.
pub(super) struct Senders {
    pub(super) targets: Vec<SocketAddr>,
    pub(super) webhooks: Webhooks,
    pub(super) history: Arc<History>,
    /// Webhooks per second on a good day.
    pub(super) rate: f64,
    /// Requests at once for which this process has files, in all runs together.
    pub(super) files: Arc<Semaphore>,
    pub(super) seed: u64,
    pub(super) began: Instant,
    pub(super) habits: watch::Receiver<Habits>,
    /// The number of the next new webhook.
    pub(super) next: AtomicU32,
}

impl Senders {
    /// Sends until `stop` says so, and returns once every request has ended.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) -> Result<()> {
        let local = self.targets.iter().all(|target| target.ip().is_loopback());
        ensure!(local, "load goes to this machine only");
        let senders = Arc::new(self);
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(senders.clone().client(client, stop.clone()));
        }
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        Ok(())
    }

    async fn client(self: Arc<Self>, client: u32, mut stop: watch::Receiver<bool>) -> Result<()> {
        let http = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .pool_max_idle_per_host(KEPT)
            .no_proxy()
            .build()
            .context("no HTTP client")?;
        let mut random = StdRng::seed_from_u64(self.seed ^ (u64::from(client) << 32));
        let room = Arc::new(Semaphore::new(UNDER_WAY));
        let mut under_way = JoinSet::new();
        let mut next = Instant::now();
        while !*stop.borrow() {
            let habits = *self.habits.borrow();
            next += Duration::from_secs_f64(f64::from(CLIENTS) / (self.rate * habits.times));
            // Far behind schedule after a pause of the whole machine, what was missed is left out.
            next = next.max(Instant::now() - Duration::from_secs(1));
            let asleep = next.max(Instant::now());
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                _ = stop.changed() => break,
            }
            self.history.woke_late(asleep.elapsed());
            while under_way.try_join_next().is_some() {}
            let plan = self.plan(&mut random, habits);
            let places = [&room, &self.files].map(|room| room.clone().try_acquire_owned());
            if let [Ok(own), Ok(file)] = places {
                let (senders, http) = (self.clone(), http.clone());
                under_way.spawn(async move {
                    senders.carry_out(&http, plan, habits).await;
                    drop((own, file));
                });
            }
        }
        while under_way.join_next().await.is_some() {}
        Ok(())
    }

    /// What to send next. Of the repeats every fourth contradicts the webhook that it repeats.
    fn plan(&self, random: &mut StdRng, habits: Habits) -> Plan {
        let known = self.next.load(Ordering::Relaxed);
        let repeated = match random.random::<f64>() {
            luck if luck < OLD => Some(random.random_range(Webhooks::old())),
            luck if luck < OLD + habits.repeat && known > 0 => Some(recent(random, known)),
            _ => None,
        };
        let (number, variant) = match repeated {
            Some(number) if random.random_bool(0.25) => (number, Variant::Other),
            Some(number) => (number, Variant::Original),
            None => {
                let new = self.next.fetch_add(1, Ordering::Relaxed);
                (new, Variant::Original)
            }
        };
        let poison = match Webhooks::is_signed(number) {
            true => habits.poison.max(FORGED),
            false => habits.poison,
        };
        let leaves = random.random_bool(habits.leave);
        let within = random.random_range(0..LEAVE_WITHIN_MS);
        Plan {
            number,
            variant,
            poison: random.random_bool(poison),
            leaves_after: leaves.then(|| Duration::from_millis(within)),
            target: self.targets[random.random_range(0..self.targets.len())],
        }
    }

    /// Sends it, in a storm until it is accepted, and records everything.
    async fn carry_out(&self, http: &reqwest::Client, plan: Plan, habits: Habits) {
        let tries = if habits.storm { RETRIES } else { 1 };
        for _ in 0..tries {
            let outcome = self.send(http, &plan, habits).await;
            if !matches!(outcome, Outcome::Later | Outcome::Unknown) || !self.habits.borrow().storm
            {
                break;
            }
        }
    }

    async fn send(&self, http: &reqwest::Client, plan: &Plan, habits: Habits) -> Outcome {
        let webhook = match plan.poison {
            true => self.webhooks.poison(plan.number),
            false => self.webhooks.sent(plan.number, plan.variant),
        };
        let mut request = http
            .post(format!(
                "http://{}/v1/webhooks/{}",
                plan.target, webhook.source
            ))
            .header("content-type", "application/json")
            .body(webhook.body);
        if let Some(signature) = webhook.signature {
            request = request.header(stripe::SIGNATURE, signature);
        }
        let sent = Instant::now();
        let id = self.webhooks.id(plan.number);
        let is_signed = Webhooks::is_signed(plan.number);
        let exchange = answer::of(request, (!is_signed).then_some(&id));
        let outcome = match plan.leaves_after {
            // A dropped request closes its connection.
            Some(after) => tokio::time::timeout(after, exchange)
                .await
                .unwrap_or(Outcome::Left),
            None => {
                let patience = if habits.storm { IMPATIENCE } else { PATIENCE };
                tokio::time::timeout(patience, exchange)
                    .await
                    .unwrap_or(Outcome::Unknown)
            }
        };
        self.history.record(Request {
            number: plan.number,
            variant: plan.variant,
            poison: plan.poison,
            sent: sent - self.began,
            took: sent.elapsed(),
            outcome: outcome.clone(),
        });
        outcome
    }
}

/// One request that is still to be sent.
struct Plan {
    number: u32,
    variant: Variant,
    poison: bool,
    leaves_after: Option<Duration>,
    target: SocketAddr,
}

/// One of the last thousand numbers: what is repeated most is what was sent a moment ago.
fn recent(random: &mut StdRng, known: u32) -> u32 {
    random.random_range(known.saturating_sub(1000)..known)
}

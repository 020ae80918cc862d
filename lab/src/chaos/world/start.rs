//! How a world comes up: an empty database, and every process of the service with a proxy before each of its connections.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use humantime::format_duration;
use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::Url;
use serde::Serialize;
use testbed::{ports, proxy::Proxy, rabbitmq};
use tokio::sync::watch;

use super::{
    PROCESSES, READY, World,
    database::Db,
    instance::{Instance, Peer, Role},
    past,
    servers::Servers,
};
use crate::{
    chaos::{
        check::{DeadLetters, Findings},
        downstream::{Downstream, Manners, REFUSED},
        files::Files,
        load::Habits,
        webhook::Webhooks,
    },
    database, stripe,
};

/// How long a call of downstream may take beyond what it usually takes.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(3);
/// How long the processes keep things: the oldest months are theirs, and the others the operator's.
const RETENTION: &str = "300d";
/// What a consumer may hold whose work is simulated: everything.
const PREFETCH: u64 = 50_000;
/// What a call takes beside downstream's own end where there is a proxy before it.
const FILES_OF_A_PROXY: u64 = 2;
/// The part of the calls for which there are files that are under way on a good day. What has piled up is worked off in the rest.
const CALLS_IN_USE: f64 = 0.8;
/// When a call that failed is made again: soon, and for longer than any fault of downstream lasts.
const RETRY_SCHEDULE: &str = "500ms,1s,1s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s";

/// What the work of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// The service waits by itself; overlapping runs cannot be seen from outside.
    Simulate,
    /// The service calls the fake downstream, which sees every run.
    Http,
}

/// What a world is to be.
pub(crate) struct Plan<'a> {
    pub(crate) binary: &'a Path,
    /// A binary with failpoints, if there is one.
    pub(crate) failpoints: Option<&'a Path>,
    /// Where the processes' logs are kept, if they are.
    pub(crate) logs: Option<&'a Path>,
    pub(crate) work: Work,
    /// How long the work takes.
    pub(crate) delay: Duration,
    pub(crate) files: &'a Files,
    /// Whether a fault is about the calls of downstream.
    pub(crate) is_about_calls: bool,
    /// The part of the transactions that downstream refuses for good until an operator has mended that.
    pub(crate) refuses: f64,
    /// How many processes migrate the empty database, all at once.
    pub(crate) migrators: u32,
    pub(crate) seed: u64,
}

impl Plan<'_> {
    /// How many calls of downstream may be under way at once.
    fn calls_max(&self) -> u64 {
        let files_each = match self.is_about_calls {
            true => 1 + FILES_OF_A_PROXY,
            false => 1,
        };
        self.files.for_calls / files_each
    }

    /// How many times the usual `rate` webhooks are to come: so often, or less where the calls would take more files than there
    /// are.
    pub(crate) fn times(&self, times: f64, rate: f64) -> f64 {
        let calls = self.calls_max() as f64 * CALLS_IN_USE;
        match self.work {
            Work::Http => times.min(calls / (rate * self.delay.as_secs_f64())),
            Work::Simulate => times,
        }
    }
}

impl<'s> World<'s> {
    /// Starts a world on `servers` in which the old ones of `webhooks` have been long ago, and returns once everything is up.
    pub(crate) async fn start(
        servers: &'s mut Servers,
        plan: &Plan<'_>,
        webhooks: &Webhooks,
    ) -> Result<Self> {
        let embedded = servers.kind.is_embedded();
        let (folder, database_url) = match servers.postgres() {
            Ok(postgres) => (None, postgres.create_database().await?),
            Err(_) => {
                let (folder, url) = database::sqlite()?;
                (Some(folder), url)
            }
        };
        database::migrate(plan.binary, &database_url, plan.migrators).await?;
        let bound = past::bound();
        let db = Db::open(&database_url, bound, READY).await?;
        past::fill(&db, webhooks).await?;
        db.watch_rewrites().await?;
        let downstream = match plan.work {
            Work::Simulate => None,
            Work::Http => {
                let manners = Manners {
                    for_some_keys: (plan.refuses, REFUSED),
                    ..Manners::good(plan.delay)
                };
                Some(Downstream::start(plan.seed, manners).await?)
            }
        };
        let mut world = Self {
            queue: format!("chaos.{:016x}", rand::random::<u64>()),
            habits: watch::Sender::new(Habits::USUAL),
            instances: Vec::new(),
            servers,
            folder,
            db,
            bound,
            database_url,
            downstream,
            findings: Findings::default(),
            dead_letters: DeadLetters::Exactly(0),
            restarts: 0,
            deaths: BTreeMap::new(),
            notes: Vec::new(),
            random: StdRng::seed_from_u64(plan.seed),
        };
        let (roles, processes): (&[Role], u32) = match embedded {
            true => (&[Role::Everything], 1),
            false => (&[Role::Api, Role::Consumer], PROCESSES),
        };
        for role in roles {
            for number in 1..=processes {
                let instance = world.start_instance(*role, number, plan).await?;
                world.instances.push(instance);
            }
        }
        world.ready().await?;
        // Freshly declared quorum queues reach the disk a little later than their messages.
        for broker in &world.servers.brokers {
            broker.flush_declarations().await?;
        }
        Ok(world)
    }

    async fn start_instance(
        &mut self,
        role: Role,
        number: u32,
        plan: &Plan<'_>,
    ) -> Result<Instance> {
        let listens = SocketAddr::from(([127, 0, 0, 1], ports::free()?));
        let delay = format_duration(plan.delay).to_string();
        let prefetch = match plan.work {
            Work::Http => plan.calls_max() / u64::from(PROCESSES),
            Work::Simulate => PREFETCH,
        };
        let mut variables = vec![
            ("PROCESSING_DELAY", delay),
            ("SHUTDOWN_GRACE", "5s".to_owned()),
            ("RUST_LOG", "info".to_owned()),
            ("RETENTION_TRANSACTIONS", RETENTION.to_owned()),
            ("RETENTION_CONFLICTS", RETENTION.to_owned()),
            ("PORT", listens.port().to_string()),
            ("PREFETCH", prefetch.to_string()),
            (stripe::VARIABLE.0, stripe::VARIABLE.1.to_owned()),
        ];
        let mut proxies = Vec::new();
        let mut database_url = Url::parse(&self.database_url)?;
        if let Ok(postgres) = self.servers.postgres() {
            let proxy = proxy(vec![postgres.address()]).await?;
            let port = database_url.set_port(Some(proxy.address().port()));
            port.ok().context("the database URL takes no port")?;
            // A lease that runs out within a run.
            variables.push(("LEASE", "3s".to_owned()));
            proxies.push((Peer::Database, proxy));
        }
        variables.push(("DATABASE_URL", database_url.into()));
        if !self.servers.brokers.is_empty() {
            let brokers = self.servers.brokers.iter().map(rabbitmq::Server::address);
            let proxy = proxy(brokers.collect()).await?;
            let url = format!("amqp://guest:guest@{}/%2f", proxy.address());
            variables.push(("AMQP_URL", url));
            variables.push(("AMQP_QUEUE", self.queue.clone()));
            proxies.push((Peer::Broker, proxy));
        }
        if let Some(downstream) = &self.downstream {
            let mut address = downstream.address();
            if plan.is_about_calls {
                let proxy = proxy(vec![address]).await?;
                address = proxy.address();
                proxies.push((Peer::Downstream, proxy));
            }
            let within = format_duration(plan.delay + CALL_WITHIN).to_string();
            variables.push(("PROCESS_URL", format!("http://{address}/")));
            variables.push(("PROCESS_TIMEOUT", within));
            variables.push(("RETRY_SCHEDULE", RETRY_SCHEDULE.to_owned()));
        }
        if role != Role::Consumer {
            proxies.push((Peer::Senders, proxy(vec![listens]).await?));
        }
        let mut instance = Instance::new(role, number, plan.binary.to_owned(), listens);
        instance.failpoints = plan.failpoints.map(Into::into);
        instance.variables = variables;
        instance.proxies = proxies;
        instance.logs = plan.logs.map(Into::into);
        instance.spawn()?;
        Ok(instance)
    }
}

async fn proxy(servers: Vec<SocketAddr>) -> Result<Proxy> {
    Proxy::start(ports::free()?, servers).await
}

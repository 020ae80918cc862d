//! How a world comes up: an empty database, and every process of the service with a proxy before each of its connections.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::Url;
use serde::Serialize;
use testbed::{proxy::Proxy, rabbitmq};
use tokio::sync::watch;

use super::{
    PROCESSES, World,
    database::open,
    ground::{Ground, Kind},
    instance::{Instance, Program, Proxies, Role},
};
use crate::{
    chaos::{
        check::{DeadLetters, Findings},
        downstream::{Downstream, Manners},
        load::Habits,
    },
    database,
};

/// How long a call of downstream may take beyond what it usually takes.
pub(in crate::chaos) const CALL_WITHIN: Duration = Duration::from_secs(3);
/// When a call that failed is made again: soon, and for longer than any fault of downstream lasts.
const RETRY_SCHEDULE: &str = "500ms,1s,1s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s";

/// What the work of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(in crate::chaos) enum Work {
    /// The service waits by itself; overlapping runs cannot be seen from outside.
    Simulate,
    /// The service calls the fake downstream, which sees every run.
    Http,
}

/// How a world is furnished.
pub(in crate::chaos) struct Plan<'a> {
    pub(in crate::chaos) binary: &'a Path,
    /// A binary with failpoints, if there is one.
    pub(in crate::chaos) failpoints: Option<&'a Path>,
    /// Where the processes' logs are kept, if they are.
    pub(in crate::chaos) logs: Option<&'a Path>,
    pub(in crate::chaos) kind: Kind,
    pub(in crate::chaos) work: Work,
    /// How long the work takes.
    pub(in crate::chaos) delay: Duration,
    /// How many processes migrate the empty database, all at once.
    pub(in crate::chaos) migrators: u32,
    pub(in crate::chaos) seed: u64,
    pub(in crate::chaos) progress: ProgressBar,
}

impl<'g> World<'g> {
    /// Furnishes a world on `ground`, and returns once everything is up.
    pub(in crate::chaos) async fn start(ground: &'g mut Ground, plan: Plan<'_>) -> Result<Self> {
        let (folder, database_url) = match plan.kind {
            Kind::Embedded => {
                let (folder, url) = database::sqlite()?;
                (Some(folder), url)
            }
            _ => (None, ground.postgres()?.create_database().await?),
        };
        database::migrate(plan.binary, &database_url, plan.migrators).await?;
        let db = open(&database_url).await?;
        db.watch_rewrites().await?;
        let downstream = match plan.work {
            Work::Simulate => None,
            Work::Http => Some(Downstream::start(plan.seed, Manners::good(plan.delay)).await?),
        };
        let mut world = Self {
            queue: format!("chaos.{:016x}", rand::random::<u64>()),
            habits: watch::Sender::new(Habits::USUAL),
            instances: Vec::new(),
            ground,
            folder,
            db,
            database_url,
            downstream,
            findings: Findings::default(),
            dead_letters: DeadLetters::Exactly(0),
            restarts: 0,
            deaths: BTreeMap::new(),
            notes: Vec::new(),
            random: StdRng::seed_from_u64(plan.seed),
            failpoints: plan.failpoints.map(Into::into),
            progress: plan.progress.clone(),
            began: Instant::now(),
        };
        let (roles, processes): (&[Role], u32) = match plan.kind.is_embedded() {
            true => (&[Role::Everything], 1),
            false => (&[Role::Api, Role::Consumer], PROCESSES),
        };
        for role in roles {
            for number in 1..=processes {
                let instance = world.furnish(*role, number, &plan).await?;
                world.instances.push(instance);
            }
        }
        world.ready().await?;
        // Freshly declared quorum queues reach the disk a little later than their messages.
        for broker in &world.ground.brokers {
            broker.flush_declarations().await?;
        }
        Ok(world)
    }

    async fn furnish(&mut self, role: Role, number: u32, plan: &Plan<'_>) -> Result<Instance> {
        let mut variables = vec![
            (
                "PROCESSING_DELAY",
                humantime::format_duration(plan.delay).to_string(),
            ),
            ("PREFETCH", "50000".to_owned()),
            ("SHUTDOWN_GRACE", "5s".to_owned()),
            ("RUST_LOG", "info".to_owned()),
        ];
        let (mut database, mut amqp) = (None, None);
        if self.folder.is_some() {
            variables.push(("DATABASE_URL", self.database_url.clone()));
        } else {
            let server = self.ground.postgres()?.address();
            let proxy = Proxy::start(testbed::ports::free()?, vec![server]).await?;
            let mut url = Url::parse(&self.database_url)?;
            url.set_port(Some(proxy.address().port()))
                .ok()
                .context("the database URL takes no port")?;
            variables.push(("DATABASE_URL", url.to_string()));
            database = Some(proxy);
            // A lease that runs out within a run.
            variables.push(("LEASE", "3s".to_owned()));
        }
        if !self.ground.brokers.is_empty() {
            let brokers = self.ground.brokers.iter().map(rabbitmq::Server::address);
            let proxy = Proxy::start(testbed::ports::free()?, brokers.collect()).await?;
            let url = format!("amqp://guest:guest@{}/%2f", proxy.address());
            variables.push(("AMQP_URL", url));
            variables.push(("AMQP_QUEUE", self.queue.clone()));
            amqp = Some(proxy);
        }
        let downstream = match &self.downstream {
            Some(downstream) => {
                Some(Proxy::start(testbed::ports::free()?, vec![downstream.address()]).await?)
            }
            None => None,
        };
        if let Some(downstream) = &downstream {
            variables.push(("PROCESS_URL", format!("http://{}/", downstream.address())));
            let within = plan.delay + CALL_WITHIN;
            let within = humantime::format_duration(within).to_string();
            variables.push(("PROCESS_TIMEOUT", within));
            variables.push(("RETRY_SCHEDULE", RETRY_SCHEDULE.to_owned()));
        }
        let program = Program {
            binary: plan.binary.to_owned(),
            variables,
            logs: plan.logs.map(Into::into),
        };
        let proxies = Proxies {
            database,
            amqp,
            downstream,
        };
        Instance::start(role, number, program, proxies).await
    }
}

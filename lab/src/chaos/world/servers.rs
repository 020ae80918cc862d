//! The servers that the worlds of a whole command use, one after the other.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use testbed::{postgres, rabbitmq};

/// Nodes of a cluster.
const NODES: usize = 3;
/// The size of a small disk: room for a database at rest, and little more.
const SMALL_DISK_MIB: u32 = 120;
/// How often the database's start is tried: after `kill -9` its sessions may not have noticed the end of their server yet.
const STARTS: u32 = 20;
const START_EVERY: Duration = Duration::from_millis(500);

/// Which servers a fault needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// None: the service is one process with SQLite and the queue inside it.
    Embedded,
    /// One PostgreSQL: the service is one process with the queue inside it.
    EmbeddedPostgres,
    /// One PostgreSQL and one RabbitMQ.
    Usual,
    /// One PostgreSQL, and a RabbitMQ of three nodes.
    Cluster,
    /// As usual, but PostgreSQL's data is on a disk that can be filled.
    SmallDisk,
    /// As usual, but PostgreSQL has a clock of its own.
    Clock,
}

impl Kind {
    /// Whether the service is one process.
    pub(crate) fn is_embedded(self) -> bool {
        matches!(self, Self::Embedded | Self::EmbeddedPostgres)
    }
}

/// How a server ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// In good order.
    Stop,
    /// It leaves at once.
    Crash,
    /// `kill -9` on the server's first process alone.
    Kill,
}

pub(crate) struct Servers {
    pub(crate) kind: Kind,
    postgres: Option<postgres::Server>,
    pub(crate) brokers: Vec<rabbitmq::Server>,
}

impl Servers {
    /// Starts the servers and returns once they accept connections.
    pub(crate) async fn start(kind: Kind) -> Result<Self> {
        let postgres = async {
            let options = postgres::Options {
                small_disk_mib: (kind == Kind::SmallDisk).then_some(SMALL_DISK_MIB),
                own_clock: kind == Kind::Clock,
                ..postgres::Options::default()
            };
            match kind {
                Kind::Embedded => Ok(None),
                _ => postgres::Server::start(options).await.map(Some),
            }
        };
        let brokers = async {
            match kind {
                Kind::Embedded | Kind::EmbeddedPostgres => Ok(Vec::new()),
                Kind::Cluster => rabbitmq::cluster(NODES).await,
                Kind::Usual | Kind::SmallDisk | Kind::Clock => {
                    let one = rabbitmq::Server::start(rabbitmq::Options::default());
                    Ok(vec![one.await?])
                }
            }
        };
        let (postgres, brokers) = tokio::try_join!(postgres, brokers)?;
        Ok(Self {
            kind,
            postgres,
            brokers,
        })
    }

    /// The database's server.
    pub(crate) fn postgres(&mut self) -> Result<&mut postgres::Server> {
        self.postgres.as_mut().context("there is no PostgreSQL")
    }

    /// The only broker, or one of the cluster.
    pub(crate) fn broker(&mut self) -> Result<&mut rabbitmq::Server> {
        self.brokers.first_mut().context("there is no broker")
    }

    /// Ends the database, the broker, or both at once. [`Self::heal`] starts them again.
    pub(crate) async fn end(&mut self, database: Option<End>, broker: Option<End>) -> Result<()> {
        let Self {
            postgres, brokers, ..
        } = self;
        let ends_postgres = async {
            match (database, postgres) {
                (Some(End::Stop), Some(server)) => server.stop().await,
                (Some(End::Crash), Some(server)) => server.kill().await,
                (Some(End::Kill), Some(server)) => server.kill_hard().await,
                _ => Ok(()),
            }
        };
        let ends_broker = async {
            match (broker, brokers.first_mut()) {
                (Some(End::Stop), Some(server)) => server.stop().await,
                (Some(End::Crash | End::Kill), Some(server)) => server.kill().await,
                _ => Ok(()),
            }
        };
        tokio::try_join!(ends_postgres, ends_broker).map(drop)
    }

    /// Starts every server that a fault has ended.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        let Self {
            postgres, brokers, ..
        } = self;
        let starts_brokers = async {
            for broker in brokers {
                if !broker.runs()? {
                    broker.start_again().await?;
                }
            }
            Ok(())
        };
        tokio::try_join!(start_again(postgres.as_mut()), starts_brokers).map(drop)
    }
}

async fn start_again(postgres: Option<&mut postgres::Server>) -> Result<()> {
    let Some(postgres) = postgres else {
        return Ok(());
    };
    let mut tries = 0;
    while !postgres.runs()? {
        let started = postgres.start_again().await;
        tries += 1;
        if started.is_ok() || tries == STARTS {
            return started;
        }
        tokio::time::sleep(START_EVERY).await;
    }
    Ok(())
}

//! The servers that the worlds of a whole command stand on, one after the other.

use anyhow::{Context as _, Result};
use serde::Serialize;
use testbed::{postgres, rabbitmq};

/// Nodes of a cluster.
const NODES: usize = 3;
/// The size of a small disk: room for a database at rest, and little more.
const SMALL_DISK_MIB: u32 = 120;

/// Which servers a fault needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::chaos) enum Kind {
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
    pub(in crate::chaos) fn is_embedded(self) -> bool {
        matches!(self, Self::Embedded | Self::EmbeddedPostgres)
    }
}

pub(in crate::chaos) struct Ground {
    postgres: Option<postgres::Server>,
    pub(in crate::chaos) brokers: Vec<rabbitmq::Server>,
}

impl Ground {
    /// Starts the servers and returns once they accept connections.
    pub(in crate::chaos) async fn start(kind: Kind) -> Result<Self> {
        if kind == Kind::Embedded {
            return Ok(Self {
                postgres: None,
                brokers: Vec::new(),
            });
        }
        let options = postgres::Options {
            small_disk_mib: (kind == Kind::SmallDisk).then_some(SMALL_DISK_MIB),
            own_clock: kind == Kind::Clock,
            ..postgres::Options::default()
        };
        let brokers = async {
            match kind {
                Kind::Cluster => rabbitmq::cluster(NODES).await,
                Kind::Embedded | Kind::EmbeddedPostgres => Ok(Vec::new()),
                Kind::Usual | Kind::SmallDisk | Kind::Clock => {
                    let one = rabbitmq::Server::start(rabbitmq::Options::default());
                    Ok(vec![one.await?])
                }
            }
        };
        let (postgres, brokers) = tokio::try_join!(postgres::Server::start(options), brokers)?;
        Ok(Self {
            postgres: Some(postgres),
            brokers,
        })
    }

    /// The database's server.
    pub(in crate::chaos) fn postgres(&mut self) -> Result<&mut postgres::Server> {
        self.postgres.as_mut().context("there is no PostgreSQL")
    }

    /// The only broker, or one of the cluster.
    pub(in crate::chaos) fn broker(&mut self) -> Result<&mut rabbitmq::Server> {
        self.brokers.first_mut().context("there is no broker")
    }

    /// All servers.
    pub(in crate::chaos) fn both(
        &mut self,
    ) -> Result<(&mut postgres::Server, &mut Vec<rabbitmq::Server>)> {
        let postgres = self.postgres.as_mut().context("there is no PostgreSQL")?;
        Ok((postgres, &mut self.brokers))
    }

    /// Starts every server that a fault has ended.
    pub(super) async fn heal(&mut self) -> Result<()> {
        if let Some(postgres) = &mut self.postgres
            && !postgres.runs()?
        {
            postgres.start_again().await?;
        }
        for broker in &mut self.brokers {
            if !broker.runs()? {
                broker.start_again().await?;
            }
        }
        Ok(())
    }
}

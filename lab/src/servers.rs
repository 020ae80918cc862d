//! A PostgreSQL and a RabbitMQ of one's own, for as long as a benchmark takes.

use anyhow::Result;
use testbed::{postgres, rabbitmq};

/// The servers of a whole command.
pub(crate) struct Servers {
    pub(crate) postgres: postgres::Server,
    pub(crate) rabbitmq: rabbitmq::Server,
}

impl Servers {
    /// Starts both; `fsync` is on, as in every server of the lab.
    pub(crate) async fn start() -> Result<Self> {
        let (postgres, rabbitmq) = tokio::try_join!(
            postgres::Server::start(postgres::Options::default()),
            rabbitmq::Server::start(rabbitmq::Options::default()),
        )?;
        Ok(Self { postgres, rabbitmq })
    }
}

//! Where one run takes place: an empty, migrated database and a queue of its own.

mod check;
pub(super) mod history;
mod prefill;
mod state;

pub(super) use {prefill::ATTEMPTS, state::Lives};

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use testbed::{folder::Folder, postgres, rabbitmq};

use super::wait::until;
use crate::{database, hookline::START, queues, servers::Servers};

/// What a run leaves its traces on.
pub(super) struct Site {
    db: DatabaseConnection,
    database_url: String,
    broker: Option<Broker>,
    /// Rows that were there before the service was.
    prefilled: u64,
    /// Those of them that had failed, and are retried.
    failed: u64,
    /// Rows of earlier runs on this site.
    carried: u64,
    /// Whether there is but the one table.
    is_bare: bool,
    /// The SQLite file's.
    _folder: Option<Folder>,
}

/// The broker and the name of a queue there.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) amqp_url: String,
    pub(super) queue: String,
}

impl Site {
    /// A new database on PostgreSQL and a new queue on RabbitMQ.
    pub(super) async fn on_servers(servers: &Servers, binary: &Path) -> Result<Self> {
        let database_url = servers.postgres.create_database().await?;
        let broker = Broker {
            amqp_url: servers.rabbitmq.amqp_url(),
            queue: format!("bench.{:016x}", rand::random::<u64>()),
        };
        Self::open(database_url, Some(broker), None, binary).await
    }

    /// A new SQLite file.
    pub(super) async fn embedded(binary: &Path) -> Result<Self> {
        let (folder, database_url) = database::sqlite()?;
        Self::open(database_url, None, Some(folder), binary).await
    }

    async fn open(
        database_url: String,
        broker: Option<Broker>,
        folder: Option<Folder>,
        binary: &Path,
    ) -> Result<Self> {
        database::migrate(binary, &database_url, 1).await?;
        let mut options = ConnectOptions::new(&database_url);
        options
            .max_connections(1)
            .sqlx_logging(false)
            .test_before_acquire(false)
            .idle_timeout(Duration::from_secs(3600));
        let db = Database::connect(options)
            .await
            .context("cannot connect to the run's database")?;
        let site = Self {
            db,
            database_url,
            broker,
            prefilled: 0,
            failed: 0,
            carried: 0,
            is_bare: false,
            _folder: folder,
        };
        if site.broker.is_some() {
            // Looking for the first row of the outbox must not read through all that have been deleted before it.
            site.execute("SET enable_seqscan = off").await?;
        }
        site.settle().await?;
        Ok(site)
    }

    /// The settings that lead a service here.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("DATABASE_URL", self.database_url.clone())];
        if let Some(Broker { amqp_url, queue }) = &self.broker {
            variables.push(("AMQP_URL", amqp_url.clone()));
            variables.push(("AMQP_QUEUE", queue.clone()));
        }
        variables
    }

    pub(super) fn is_embedded(&self) -> bool {
        self.broker.is_none()
    }

    pub(super) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The broker; an error on the embedded defaults.
    pub(super) fn broker(&self) -> Result<&Broker> {
        self.broker.as_ref().context("this run has no broker")
    }

    /// Waits until the queue has a consumer; nobody has declared it before. `must_run` fails if the consumer is gone.
    pub(super) async fn subscribed(&self, mut must_run: impl FnMut() -> Result<()>) -> Result<()> {
        let Broker { amqp_url, queue } = self.broker()?;
        until(START, "the consumer subscribes", async || {
            must_run()?;
            let consumers = rabbitmq::consumer_count(amqp_url, queue).await;
            Ok(consumers.unwrap_or(0) > 0)
        })
        .await
    }

    /// Makes of the service's tables what it was held against from the first: one, in which the database itself keeps an id
    /// from standing twice.
    pub(super) async fn keep_one_table(&mut self) -> Result<()> {
        self.execute(
            "ALTER TABLE transactions RENAME TO partitioned; \
             CREATE TABLE transactions (LIKE partitioned INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 50); \
             DROP TABLE partitioned; \
             ALTER TABLE transactions ADD PRIMARY KEY (id), ADD UNIQUE (transaction_id);",
        )
        .await?;
        self.is_bare = true;
        Ok(())
    }

    /// Bytes of the whole database.
    pub(super) async fn size(&self) -> Result<i64> {
        let size = "SELECT pg_database_size(current_database())";
        self.one(size, []).await?.context("no size")
    }

    /// Removes database and queue.
    pub(super) async fn clear(self) -> Result<()> {
        self.db.close().await?;
        if let Some(Broker { amqp_url, queue }) = &self.broker {
            postgres::drop_database(&self.database_url).await?;
            for queue in queues::all(queue) {
                rabbitmq::delete_queue(amqp_url, &queue).await?;
            }
        }
        Ok(())
    }
}

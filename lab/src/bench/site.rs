//! Where one run takes place: an empty, migrated database and a queue of its own.

mod check;
mod state;

pub(super) use state::Lives;

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

    /// Puts `rows` finished transactions into the empty tables, as they would be after a long life. All are in the partition
    /// in which the service goes on.
    pub(super) async fn prefill(&mut self, rows: u64) -> Result<()> {
        // An index is built far faster than it grows.
        self.execute("ALTER TABLE keys DROP CONSTRAINT keys_pkey")
            .await?;
        // Nobody repeats these, so whatever they say is as good.
        self.execute(&format!(
            "WITH filled AS (INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, \
               currency, status, created_at, processed_at) \
             SELECT lpad(to_hex(n), 32, '0')::uuid, 'txn_' || substr(md5(n::text), 1, 16), 'acc_user_1', \
               'acc_merchant_1', 1500, 'INR', 'PROCESSED', now() - interval '1 day', now() - interval '1 day' \
             FROM generate_series(1, {rows}) AS n RETURNING source, transaction_id, id) \
             INSERT INTO keys (source, transaction_id, id, fingerprint) SELECT *, id FROM filled"
        ))
        .await?;
        self.execute("ALTER TABLE keys ADD PRIMARY KEY (source, transaction_id)")
            .await?;
        self.execute("VACUUM ANALYZE transactions").await?;
        self.execute("VACUUM ANALYZE keys").await?;
        self.prefilled = rows;
        self.settle().await
    }

    /// Puts `rows` finished transactions into months of their own, from a year ago on, as retention finds them after a long
    /// life.
    pub(super) async fn prefill_months(&self, rows: u64, months: u64) -> Result<()> {
        self.execute(database::WITHOUT_PAST).await?;
        self.execute("ALTER TABLE keys DROP CONSTRAINT keys_pkey")
            .await?;
        let each = rows / months;
        for month in 0..months {
            let start = format!(
                "date_trunc('month', now() - interval '1 year') + interval '{month} months'"
            );
            self.execute(&format!(
                "SELECT hookline_make_partitions({start} + interval '1 day')"
            ))
            .await?;
            self.execute(&format!(
                "WITH filled AS (INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, \
                   currency, status, created_at, processed_at) \
                 SELECT (left(h, 8) || '-' || right(h, 4) || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, \
                   'old_{month}_' || n, 'acc_user_1', 'acc_merchant_1', 1500, 'INR', 'PROCESSED', at, at \
                 FROM (SELECT n, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS h \
                   FROM (SELECT n, {start} + interval '1 day' + n * interval '20 days' / {each} AS at \
                     FROM generate_series(1, {each}) AS n) AS times) AS hexes RETURNING source, transaction_id, id) \
                 INSERT INTO keys (source, transaction_id, id, fingerprint) SELECT *, id FROM filled"
            ))
            .await?;
        }
        self.execute("ALTER TABLE keys ADD PRIMARY KEY (source, transaction_id)")
            .await?;
        self.execute("VACUUM ANALYZE transactions").await?;
        self.execute("VACUUM ANALYZE keys").await
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

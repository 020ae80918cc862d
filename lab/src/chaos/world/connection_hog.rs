//! Somebody who holds connections, each in an open transaction, and gets in the way of others.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, Statement, TransactionTrait as _,
};
use uuid::Uuid;

/// How long to wait for a connection.
const WITHIN: Duration = Duration::from_secs(2);
/// Rows that are locked in one go.
const ROWS: u32 = 30;

pub(crate) struct ConnectionHog {
    db: DatabaseConnection,
    taken: Vec<DatabaseTransaction>,
}

impl ConnectionHog {
    /// May take so many connections to `url`, and has none yet.
    pub(crate) async fn open(url: &str, most: u32) -> Result<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(most)
            .acquire_timeout(WITHIN)
            .connect_timeout(WITHIN)
            .connect_lazy(true)
            .sqlx_logging(false);
        Ok(Self {
            db: Database::connect(options).await?,
            taken: Vec::new(),
        })
    }

    /// Begins a transaction with `sql`, and keeps it open.
    pub(crate) async fn take(&mut self, sql: &str) -> Result<()> {
        let transaction = self.db.begin().await?;
        transaction.execute_unprepared(sql).await?;
        self.taken.push(transaction);
        Ok(())
    }

    /// How many connections it holds.
    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Ends every transaction and closes every connection.
    pub(crate) async fn give_back(self) -> Result<()> {
        for transaction in self.taken {
            // One that the server has ended needs no end.
            let _ = transaction.rollback().await;
        }
        self.db.close().await.context("cannot close")
    }

    /// Locks some unfinished rows one after the other, from the last to the first, and lets go of them.
    pub(crate) async fn lock_backwards(&self) -> Result<()> {
        let transaction = self.db.begin().await?;
        let some = Statement::from_string(
            DbBackend::Postgres,
            format!("SELECT id FROM outbox ORDER BY id DESC LIMIT {ROWS}"),
        );
        let ids = transaction.query_all_raw(some).await?;
        for id in ids {
            let id: Uuid = id.try_get_by_index(0)?;
            for table in ["outbox", "transactions"] {
                let lock = format!("SELECT 1 FROM {table} WHERE id = '{id}' FOR UPDATE");
                transaction.execute_unprepared(&lock).await?;
            }
        }
        Ok(transaction.rollback().await?)
    }
}

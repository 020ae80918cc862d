//! What the database says about a run, during it and after it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use sea_orm::{ConnectionTrait as _, DbBackend, FromQueryResult, Statement, TryGetable, Value};
use testbed::rabbitmq;
use uuid::Uuid;

use super::{Broker, Site};
use crate::bench::service::Service;

/// Between two looks for whether everything is done. Rates do not depend on it: they end with the last `processed_at`.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The queue must be found empty so often in a row: the last messages delivered have been acked by then.
const EMPTY_LOOKS: u32 = 3;

/// The rows of a run.
#[derive(Debug, FromQueryResult)]
pub(in crate::bench) struct Rows {
    pub(in crate::bench) all: i64,
    pub(in crate::bench) processed: i64,
    pub(in crate::bench) outbox: i64,
}

/// How PostgreSQL's plans and pages fare.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(in crate::bench) struct Tables {
    /// Rows that were read by scanning the whole table.
    pub(in crate::bench) read_in_sequence: f64,
    /// The part of the final updates that touched no index.
    pub(in crate::bench) updated_in_place: f64,
}

/// Which end of a life.
#[derive(Clone, Copy)]
pub(in crate::bench) enum Moment {
    Created,
    Processed,
}

/// Any unfinished id.
const UNFINISHED: &str = "SELECT id FROM (SELECT id FROM outbox ORDER BY id LIMIT 1) AS first \
                          UNION ALL SELECT id FROM retries LIMIT 1";

impl Moment {
    fn column(self) -> &'static str {
        match self {
            Self::Created => "created_at",
            Self::Processed => "processed_at",
        }
    }
}

impl Site {
    pub(in crate::bench) async fn execute(&self, sql: &str) -> Result<()> {
        let outcome = self.db.execute_unprepared(sql).await;
        outcome.with_context(|| format!("{sql} failed"))?;
        Ok(())
    }

    /// Writes what earlier work has left in memory, so that no run pays for the one before it.
    pub(in crate::bench) async fn settle(&self) -> Result<()> {
        match self.db.get_database_backend() {
            DbBackend::Postgres => self.execute("CHECKPOINT").await,
            _ => Ok(()),
        }
    }

    pub(in crate::bench) async fn rows(&self) -> Result<Rows> {
        let sql = "SELECT count(*) AS \"all\", \
                   count(*) FILTER (WHERE status = 'PROCESSED' AND processed_at IS NOT NULL) AS processed, \
                   (SELECT count(*) FROM outbox) + (SELECT count(*) FROM retries) AS outbox FROM transactions";
        let rows = Rows::find_by_statement(self.statement(sql, [])).one(&self.db);
        rows.await?.context("count(*) gave no row")
    }

    /// Waits until outbox and queue are empty: every webhook committed so far is `PROCESSED`, and messages that had
    /// nothing left to say, such as those published twice around an outage, are gone too.
    pub(in crate::bench) async fn all_done(
        &self,
        service: &mut Service,
        within: Duration,
    ) -> Result<()> {
        let start = Instant::now();
        while self.one::<Uuid>(UNFINISHED, []).await?.is_some() {
            service.must_run()?;
            if start.elapsed() > within {
                let rows = self.rows().await?;
                ensure!(rows.outbox == 0, "not all done within {within:?}: {rows:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let mut empty = 0;
        while empty < EMPTY_LOOKS && !self.is_embedded() {
            service.must_run()?;
            let Broker { amqp_url, queue } = self.broker()?;
            let ready = rabbitmq::message_count(amqp_url, queue).await?;
            empty = if ready == 0 { empty + 1 } else { 0 };
            ensure!(
                start.elapsed() <= within,
                "{ready} messages wait after {within:?}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// When the last webhook was `PROCESSED`.
    pub(in crate::bench) async fn last_processed(&self) -> Result<SystemTime> {
        let seconds = self.seconds("max(processed_at)");
        let sql = format!("SELECT {seconds} FROM transactions");
        let last: f64 = self.one(&sql, []).await?.context("no row is PROCESSED")?;
        Ok(UNIX_EPOCH + Duration::from_secs_f64(last))
    }

    /// How many webhooks had this moment in each second since `began`.
    pub(in crate::bench) async fn per_second(
        &self,
        moment: Moment,
        began: SystemTime,
    ) -> Result<Vec<u64>> {
        let since = self.seconds(moment.column());
        // PostgreSQL's CAST rounds, SQLite's cuts off.
        let second = match self.db.get_database_backend() {
            DbBackend::Postgres => format!("floor({since} - $1)::bigint"),
            _ => format!("CAST({since} - $1 AS integer)"),
        };
        let sql = format!(
            "SELECT {second} AS second, count(*) AS count FROM transactions \
             WHERE {since} >= $1 GROUP BY 1 ORDER BY 1"
        );
        let began = began.duration_since(UNIX_EPOCH)?.as_secs_f64();
        let rows = self.db.query_all_raw(self.statement(&sql, [began.into()]));
        let mut counts = Vec::new();
        for row in rows.await? {
            let second = usize::try_from(row.try_get_by_index::<i64>(0)?)?;
            counts.resize(second + 1, 0);
            counts[second] = u64::try_from(row.try_get_by_index::<i64>(1)?)?;
        }
        Ok(counts)
    }

    /// The longest time, in seconds, from commit to `PROCESSED` of the webhooks since `began`; none where everything was a
    /// duplicate. PostgreSQL only.
    pub(in crate::bench) async fn longest(&self, began: SystemTime) -> Result<Option<f64>> {
        if self.is_embedded() {
            return Ok(None);
        }
        let sql = "SELECT extract(epoch FROM max(processed_at - created_at))::float8 FROM transactions \
                   WHERE created_at >= to_timestamp($1)";
        let began = began.duration_since(UNIX_EPOCH)?.as_secs_f64();
        Ok(self.one(sql, [began.into()]).await?.flatten())
    }

    /// What PostgreSQL did to the table of transactions, for each row that the service wrote there.
    pub(in crate::bench) async fn tables(&self) -> Result<Option<Tables>> {
        if self.is_embedded() {
            return Ok(None);
        }
        let sql = "SELECT seq_tup_read::float8 / nullif(n_tup_upd, 0) AS read_in_sequence, \
                   n_tup_hot_upd::float8 / nullif(n_tup_upd, 0) AS updated_in_place \
                   FROM pg_stat_user_tables WHERE relname = 'transactions'";
        let tables = Tables::find_by_statement(self.statement(sql, [])).one(&self.db);
        Ok(tables.await?)
    }

    /// A time as seconds since 1970, as an SQL expression.
    fn seconds(&self, time: &str) -> String {
        match self.db.get_database_backend() {
            DbBackend::Postgres => format!("extract(epoch FROM {time})::float8"),
            _ => format!("unixepoch({time}, 'subsec')"),
        }
    }

    /// The first column of the first row.
    pub(in crate::bench) async fn one<T: TryGetable>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<T>> {
        let row = self.db.query_one_raw(self.statement(sql, values)).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    fn statement(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.db.get_database_backend(), sql, values)
    }
}

//! What the database says about a run, during it and after it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use sea_orm::{ConnectionTrait as _, DbBackend, FromQueryResult, Statement, TryGetable, Value};
use testbed::rabbitmq;
use uuid::Uuid;

use super::{Broker, Site};
use crate::bench::{service::Service, wait::until};

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

/// What became of webhooks after the first request left.
#[derive(Default)]
pub(in crate::bench) struct Lives {
    /// Commits in each second.
    pub(in crate::bench) created: Vec<u64>,
    /// `PROCESSED` in each second.
    pub(in crate::bench) processed: Vec<u64>,
    /// Seconds until the last was `PROCESSED`.
    pub(in crate::bench) last: f64,
    /// The longest time, in seconds, from commit to `PROCESSED`.
    pub(in crate::bench) longest: f64,
}

/// Those committed in one second and `PROCESSED` in another.
#[derive(FromQueryResult)]
struct Group {
    created: i64,
    processed: i64,
    count: i64,
    last: f64,
    longest: f64,
}

/// Any unfinished id.
const UNFINISHED: &str = "SELECT id FROM (SELECT id FROM outbox ORDER BY id LIMIT 1) AS first \
                          UNION ALL SELECT id FROM retries LIMIT 1";

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
        let what = "nothing is unfinished";
        until(within, what, async || {
            service.must_run()?;
            Ok(self.one::<Uuid>(UNFINISHED, []).await?.is_none())
        })
        .await?;
        let Some(Broker { amqp_url, queue }) = &self.broker else {
            return Ok(());
        };
        let mut empty = 0;
        until(within, "no message waits", async || {
            service.must_run()?;
            let ready = rabbitmq::message_count(amqp_url, queue).await?;
            empty = if ready == 0 { empty + 1 } else { 0 };
            Ok(empty == EMPTY_LOOKS)
        })
        .await
    }

    /// What became of the webhooks since `began`, when all are `PROCESSED`.
    pub(in crate::bench) async fn lives(&self, began: SystemTime) -> Result<Lives> {
        // PostgreSQL's CAST rounds, SQLite's cuts off.
        let (seconds, whole) = match self.db.get_database_backend() {
            DbBackend::Postgres => ("extract(epoch FROM COLUMN)::float8", "floor"),
            _ => ("unixepoch(COLUMN, 'subsec')", ""),
        };
        let [created, processed] =
            ["created_at", "processed_at"].map(|column| seconds.replace("COLUMN", column));
        let sql = format!(
            "SELECT CAST({whole}({created} - $1) AS bigint) AS created, \
             CAST({whole}({processed} - $1) AS bigint) AS processed, count(*) AS count, \
             max({processed} - $1) AS last, max({processed} - {created}) AS longest \
             FROM transactions WHERE {created} >= $1 GROUP BY 1, 2"
        );
        let began = began.duration_since(UNIX_EPOCH)?.as_secs_f64();
        let groups = Group::find_by_statement(self.statement(&sql, [began.into()]));
        let mut lives = Lives::default();
        for group in groups.all(&self.db).await? {
            let count = u64::try_from(group.count)?;
            *second(&mut lives.created, usize::try_from(group.created)?) += count;
            *second(&mut lives.processed, usize::try_from(group.processed)?) += count;
            lives.last = lives.last.max(group.last);
            lives.longest = lives.longest.max(group.longest);
        }
        ensure!(lives.last > 0.0, "no row is PROCESSED");
        Ok(lives)
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

fn second(counts: &mut Vec<u64>, second: usize) -> &mut u64 {
    counts.resize(counts.len().max(second + 1), 0);
    &mut counts[second]
}

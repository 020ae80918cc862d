//! What the database says about a run, during it and after it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use sea_orm::{
    ConnectionTrait as _, DbBackend, FromQueryResult, QueryResult, Statement, TryGetable, Value,
};
use testbed::rabbitmq;
use uuid::Uuid;

use super::{Broker, Site};
use crate::bench::{end_to_end::Processed, report::Measure, service::Service, wait::until};

/// The queue must be found empty so often in a row: the last messages delivered have been acked by then.
const EMPTY_LOOKS: u32 = 3;

/// The rows of a run.
#[derive(Debug, FromQueryResult)]
pub(in crate::bench) struct Rows {
    pub(in crate::bench) all: i64,
    pub(in crate::bench) processed: i64,
    pub(in crate::bench) outbox: i64,
    /// Those of other sources than the built-in one.
    pub(in crate::bench) events: i64,
    pub(in crate::bench) payloads: i64,
    pub(in crate::bench) keys: i64,
}

/// What became of webhooks after the first request left.
pub(in crate::bench) struct Lives {
    /// Seconds until the last was `PROCESSED`.
    pub(in crate::bench) last: f64,
    /// The longest time, in seconds, from commit to `PROCESSED`.
    pub(in crate::bench) longest: f64,
    /// The most that were committed and not `PROCESSED` at the end of any second.
    pub(in crate::bench) most_in_flight: i64,
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

/// What PostgreSQL counts of the table, all its partitions together.
pub(super) const STATISTICS: &str = "pg_stat_user_tables WHERE relname LIKE 'transactions%'";

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
                   count(*) FILTER (WHERE source <> 'transactions') AS events, \
                   (SELECT count(*) FROM payloads) AS payloads, (SELECT count(*) FROM keys) AS keys, \
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
        let groups = groups.all(&self.db).await?;
        ensure!(!groups.is_empty(), "no row is PROCESSED");
        let in_flight_after = |second| {
            let spans = groups
                .iter()
                .filter(|group| (group.created..group.processed).contains(&second));
            spans.map(|group| group.count).sum()
        };
        let most_in_flight = groups
            .iter()
            .map(|group| in_flight_after(group.created))
            .max();
        Ok(Lives {
            last: groups.iter().map(|group| group.last).fold(0.0, f64::max),
            longest: groups.iter().map(|group| group.longest).fold(0.0, f64::max),
            most_in_flight: most_in_flight.unwrap_or(0),
        })
    }

    /// When each transaction of the built-in source was `PROCESSED` that has come since `began`.
    pub(in crate::bench) async fn processed(&self, began: SystemTime) -> Result<Processed> {
        let sql = "SELECT transaction_id, extract(epoch FROM processed_at)::float8 FROM transactions \
                   WHERE source = 'transactions' AND status = 'PROCESSED' \
                   AND extract(epoch FROM created_at)::float8 >= $1";
        let began = began.duration_since(UNIX_EPOCH)?.as_secs_f64();
        let rows = self.statement(sql, [began.into()]);
        let rows = self.db.query_all_raw(rows).await?;
        let both = |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
        rows.iter().map(both).collect()
    }

    /// How PostgreSQL's plans and pages fared: rows that were read by scanning the whole table, and the part of the final
    /// updates that touched no index.
    pub(in crate::bench) async fn tables(&self) -> Result<Vec<Measure>> {
        let mut measures = Vec::new();
        if self.is_embedded() {
            return Ok(measures);
        }
        for (what, unit, column) in [
            (
                "rows read by sequential scans",
                "rows/webhook",
                "seq_tup_read",
            ),
            ("final updates in place (HOT)", "of all", "n_tup_hot_upd"),
        ] {
            let sql = format!("SELECT sum({column})::float8 / sum(n_tup_upd) FROM {STATISTICS}");
            let value = self.one(&sql, []).await?.context("no statistics")?;
            measures.push((what.to_owned(), unit, value));
        }
        Ok(measures)
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

//! What the database says while a run goes on, and after it. Every look is a read past all proxies.

mod past;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, FromQueryResult,
    Statement, TryGetable,
};
use uuid::Uuid;

use crate::chaos::{
    check::Row,
    history::{By, Seen},
    webhook::{Content, Payment, Said, Webhooks, hash},
};

/// Connections for looking and for faults.
const CONNECTIONS: u32 = 3;
/// How long a look may wait for a database that is away.
const WITHIN: Duration = Duration::from_secs(3);
/// From one try to open it to the next.
const TRY_EVERY: Duration = Duration::from_millis(100);
/// The longest statement of the lab's own.
const STATEMENT_WITHIN: Duration = Duration::from_secs(20);

/// A row's key, as downstream knows it, as an SQL expression.
const KEY: &str =
    "CASE source WHEN 'transactions' THEN transaction_id ELSE source || ':' || transaction_id END";
/// What a sender has said, as columns.
const CONTENT: &str = "source, type, source_account, destination_account, CAST(amount AS text) AS amount, \
                       CAST(currency AS text) AS currency, body";

/// The run's database.
#[derive(Clone)]
pub(crate) struct Db {
    connection: DatabaseConnection,
    /// The first id that was not there before the run.
    bound: Uuid,
}

/// What is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Unfinished {
    /// Rows that are `PROCESSING`.
    pub(crate) rows: i64,
    /// Entries of the outbox, and retries.
    pub(crate) outbox: i64,
    /// Rows that are `PROCESSING` and have no outbox entry, and entries without such a row, or, of a replay, without one that
    /// is `PROCESSED`: both in one snapshot.
    pub(crate) unguarded: i64,
    pub(crate) orphaned: i64,
}

impl Db {
    /// Opens `url` for looking. On a busy machine that is tried for as long as `within`. What has a lower id than `bound` was there
    /// before the run.
    pub(crate) async fn open(url: &str, bound: Uuid, within: Duration) -> Result<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(CONNECTIONS)
            .acquire_timeout(WITHIN)
            .connect_timeout(WITHIN)
            .sqlx_logging(false);
        if !url.starts_with("sqlite:") {
            options.statement_timeout(STATEMENT_WITHIN);
        }
        let start = Instant::now();
        loop {
            match Database::connect(options.clone()).await {
                Ok(connection) => return Ok(Self { connection, bound }),
                Err(_) if start.elapsed() < within => tokio::time::sleep(TRY_EVERY).await,
                Err(error) => return Err(error).context("cannot connect to the run's database"),
            }
        }
    }

    /// Has the database note what must never happen.
    pub(crate) async fn watch_rewrites(&self) -> Result<()> {
        let watch = match self.is_sqlite() {
            true => watch::SQLITE,
            false => watch::POSTGRES,
        };
        self.execute(&watch.replace("BOUND", &self.bound())).await
    }

    /// For acts of an operator, and for what was there before.
    pub(crate) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// An id in SQL.
    pub(super) fn literal(&self, id: Uuid) -> String {
        match self.is_sqlite() {
            true => format!("x'{}'", id.simple()),
            false => format!("'{id}'"),
        }
    }

    fn bound(&self) -> String {
        self.literal(self.bound)
    }

    /// Some transaction's row id and key: of those with an entry in `failures` or `retries`, or of those that are processed.
    pub(crate) async fn some_id(&self, of: &str) -> Result<Option<(Uuid, String)>> {
        let from = match (of, self.is_sqlite()) {
            ("processed", true) => "transactions WHERE status = 'PROCESSED'".to_owned(),
            ("processed", false) => {
                "transactions TABLESAMPLE SYSTEM (20) WHERE status = 'PROCESSED'".to_owned()
            }
            (table, _) => format!("transactions JOIN {table} USING (id)"),
        };
        let sql = format!("SELECT id, {KEY} FROM {from} ORDER BY random() LIMIT 1");
        let row = self.connection.query_one_raw(self.statement(&sql)).await?;
        row.map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
            .transpose()
    }

    /// How often each transaction went from `FAILED` back to `PROCESSING`.
    pub(crate) async fn reopened(&self) -> Result<BTreeMap<String, u64>> {
        let mut reopened = BTreeMap::new();
        let sql = format!("SELECT {KEY} FROM chaos_reopened JOIN keys USING (id)");
        for key in self.column::<String>(&sql).await? {
            *reopened.entry(key).or_default() += 1;
        }
        Ok(reopened)
    }

    pub(super) fn is_sqlite(&self) -> bool {
        self.connection.get_database_backend() == DbBackend::Sqlite
    }

    fn statement(&self, sql: &str) -> Statement {
        Statement::from_string(self.connection.get_database_backend(), sql)
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<()> {
        let outcome = self.connection.execute_unprepared(sql).await;
        outcome.with_context(|| format!("{sql:.80} failed"))?;
        Ok(())
    }

    /// What is not done yet, now.
    pub(crate) async fn unfinished(&self) -> Result<Unfinished> {
        let sql = "WITH open AS MATERIALIZED (SELECT id FROM transactions WHERE status = 'PROCESSING'), \
                   entries AS MATERIALIZED (SELECT id, replay FROM outbox UNION ALL SELECT id, replay FROM retries), \
                   guards AS MATERIALIZED (SELECT id FROM entries WHERE NOT replay) \
                   SELECT (SELECT count(*) FROM open) AS rows, (SELECT count(*) FROM entries) AS outbox, \
                   (SELECT count(*) FROM open LEFT JOIN guards USING (id) WHERE guards.id IS NULL) AS unguarded, \
                   (SELECT count(*) FROM guards LEFT JOIN open USING (id) WHERE open.id IS NULL) \
                   + (SELECT count(*) FROM entries LEFT JOIN transactions USING (id) \
                      WHERE replay AND coalesce(status, '') <> 'PROCESSED') \
                     AS orphaned";
        let found = Unfinished::find_by_statement(self.statement(sql)).one(&self.connection);
        found.await?.context("count(*) gave no row")
    }

    /// The database's time, as text that it reads again.
    pub(crate) async fn now(&self) -> Result<String> {
        self.one(match self.is_sqlite() {
            true => "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
            false => "SELECT CAST(clock_timestamp() AS text)",
        })
        .await
    }

    /// How many of the run's rows from `until` or before are not final.
    pub(crate) async fn open_until(&self, until: &str) -> Result<i64> {
        let sql = format!(
            "SELECT count(*) FROM transactions WHERE status = 'PROCESSING' AND created_at <= '{until}' AND id >= {}",
            self.bound()
        );
        self.one(&sql).await
    }

    /// Lets the time of every outbox entry come, as a quarter of an hour would.
    pub(crate) async fn let_time_pass(&self) -> Result<()> {
        ensure!(
            !self.is_sqlite(),
            "a queue inside the process loses nothing"
        );
        for table in ["outbox", "retries"] {
            let come = format!(
                "UPDATE {table} SET due_at = (extract(epoch FROM now()) * 1000)::bigint \
                 WHERE due_at > (extract(epoch FROM now()) * 1000)::bigint + 20000 AND NOT waits"
            );
            self.execute(&come).await?;
        }
        Ok(())
    }

    /// Every row of the run.
    pub(crate) async fn rows(&self) -> Result<Vec<Row>> {
        let took_ms = match self.is_sqlite() {
            true => {
                "CAST(round((julianday(processed_at) - julianday(created_at)) * 86400000) AS integer)"
            }
            false => "CAST(extract(epoch FROM processed_at - created_at) * 1000 AS bigint)",
        };
        let sql = format!(
            "SELECT {KEY} AS key, {CONTENT}, CAST(status AS text) AS status, CAST(processed_at AS text) AS processed_at, \
             {took_ms} AS took_ms FROM transactions LEFT JOIN payloads USING (id) WHERE id >= {}",
            self.bound()
        );
        let rows = self.connection.query_all_raw(self.statement(&sql)).await?;
        rows.iter()
            .map(|row| {
                let took_ms: Option<i64> = row.try_get("", "took_ms")?;
                Ok(Row {
                    took: took_ms.map(|ms| Duration::from_millis(ms.try_into().unwrap_or(0))),
                    content: content(row)?,
                    status: row.try_get("", "status")?,
                    processed_at: row.try_get("", "processed_at")?,
                })
            })
            .collect()
    }

    /// The contents that contradicted what stood.
    pub(crate) async fn conflicts(&self) -> Result<BTreeSet<Content>> {
        let sql = format!("SELECT {KEY} AS key, {CONTENT} FROM conflicts");
        let rows = self.connection.query_all_raw(self.statement(&sql)).await?;
        rows.iter().map(content).collect()
    }

    /// The transactions of which it is told why they have failed.
    pub(crate) async fn failures(&self) -> Result<BTreeSet<String>> {
        let sql = format!("SELECT {KEY} FROM failures JOIN keys USING (id)");
        Ok(self.column(&sql).await?.into_iter().collect())
    }

    /// How many of the run's keys have no row, and rows no key; and how many bytes have no event, and events no bytes.
    pub(crate) async fn strays(&self) -> Result<i64> {
        let sql = "SELECT (SELECT count(*) FROM keys WHERE id >= BOUND) + (SELECT count(*) FROM rows) \
                   - 2 * (SELECT count(*) FROM keys JOIN rows USING (id, source, transaction_id)) \
                   + (SELECT count(*) FROM payloads WHERE id >= BOUND) + (SELECT count(*) FROM rows WHERE source <> 'transactions') \
                   - 2 * (SELECT count(*) FROM payloads JOIN rows USING (id) WHERE source <> 'transactions')";
        let rows = "WITH rows AS MATERIALIZED (SELECT id, source, transaction_id FROM transactions WHERE id >= BOUND)";
        let sql = format!("{rows} {sql}").replace("BOUND", &self.bound());
        self.one(&sql).await
    }

    /// What [`Self::watch_rewrites`] has caught.
    pub(crate) async fn rewrites(&self) -> Result<Vec<String>> {
        self.column("SELECT what FROM chaos_rewrites").await
    }

    /// Some rows that are final, as they stand now.
    pub(crate) async fn some_finals(&self, webhooks: &Webhooks) -> Result<Vec<Seen>> {
        let some = match self.is_sqlite() {
            true => "WHERE status <> 'PROCESSING' ORDER BY random()",
            false => "TABLESAMPLE SYSTEM (20) WHERE status <> 'PROCESSING'",
        };
        let sql = format!(
            "SELECT {KEY}, CAST(status AS text), CAST(processed_at AS text) FROM transactions {some} LIMIT 100"
        );
        let rows = self.connection.query_all_raw(self.statement(&sql)).await?;
        let mut finals = Vec::new();
        for row in rows {
            let key: String = row.try_get_by_index(0)?;
            if let Some(number) = webhooks.number(&key)
                && !Webhooks::is_old(number)
            {
                finals.push(Seen {
                    number,
                    by: By::Sql,
                    status: row.try_get_by_index(1)?,
                    processed_at: row.try_get_by_index(2)?,
                });
            }
        }
        Ok(finals)
    }

    /// Sessions of this database that sit in an open transaction, and are not the lab's own.
    pub(crate) async fn idle_in_transaction(&self) -> Result<i64> {
        if self.is_sqlite() {
            return Ok(0);
        }
        self.one(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name LIKE 'hookline%' AND state LIKE 'idle in transaction%' \
             AND state_change < now() - interval '1 second'",
        )
        .await
    }

    /// The first value of the first row.
    pub(crate) async fn one<T: TryGetable>(&self, sql: &str) -> Result<T> {
        let row = self.connection.query_one_raw(self.statement(sql)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }

    /// The first value of every row.
    pub(crate) async fn column<T: TryGetable>(&self, sql: &str) -> Result<Vec<T>> {
        let rows = self.connection.query_all_raw(self.statement(sql)).await?;
        let values = rows.iter().map(|row| Ok(row.try_get_by_index(0)?));
        values.collect()
    }

    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

fn content(row: &sea_orm::QueryResult) -> Result<Content> {
    let source: String = row.try_get("", "source")?;
    let said = match source.as_str() {
        "transactions" => Said::Payment(Payment {
            source_account: row.try_get("", "source_account")?,
            destination_account: row.try_get("", "destination_account")?,
            amount: four_decimals(row.try_get("", "amount")?),
            currency: row.try_get("", "currency")?,
        }),
        _ => {
            let kind: Option<String> = row.try_get("", "type")?;
            let body: Option<Vec<u8>> = row.try_get("", "body")?;
            Said::Event {
                kind: kind.unwrap_or_default(),
                bytes: body.map_or(0, |body| hash(&body)),
            }
        }
    };
    let key = row.try_get("", "key")?;
    Ok(Content { key, said })
}

/// SQLite keeps an amount as text, without the zeros at its end.
fn four_decimals(amount: String) -> String {
    let (whole, decimals) = amount.split_once('.').unwrap_or((&amount, ""));
    format!("{whole}.{decimals:0<4}")
}

#[cfg(test)]
mod tests {
    use super::four_decimals;

    #[test]
    fn an_amount_reads_the_same_from_both_databases() {
        for (kept, read) in [("0", "0.0000"), ("-2.5", "-2.5000"), ("1.0001", "1.0001")] {
            assert_eq!(four_decimals(kept.into()), read);
        }
    }
}

//! SQLite with no service: one connection, as durable as ours, batched insert and batched update of the same rows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;
use sea_orm::sqlx::{
    self, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use uuid::Uuid;

use crate::bench::{load::Ids, site::Site};

/// Rows per transaction.
const BATCH: u64 = 512;

const INSERT: &str = "\
    INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
    SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 \
    FROM json_each($1) WHERE true ON CONFLICT (transaction_id) DO NOTHING";

const UPDATE: &str = "\
    UPDATE transactions SET status = 'PROCESSED', processed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') \
    WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND status = 'PROCESSING'";

/// Takes `count` rows all the way; returns how long that took.
pub(in crate::bench) async fn run(
    site: &Site,
    count: u64,
    progress: &ProgressBar,
) -> Result<Duration> {
    let options: SqliteConnectOptions = site.database_url().parse()?;
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .context("cannot open the SQLite file")?;
    let ids = Ids::unique();
    let start = Instant::now();
    for from in (0..count).step_by(BATCH as usize) {
        let numbers = from..count.min(from + BATCH);
        let rows: Vec<(String, String)> = numbers
            .map(|number| (Uuid::now_v7().simple().to_string(), ids.text(number)))
            .collect();
        let insert = serde_json::Value::from_iter(rows.iter().map(|(id, text)| {
            serde_json::json!([id, text, "acc_user_1", "acc_merchant_1", "1500", "INR"])
        }));
        execute(&mut connection, INSERT, insert, rows.len()).await?;
        let update = serde_json::Value::from_iter(rows.iter().map(|(id, _)| id.as_str()));
        execute(&mut connection, UPDATE, update, rows.len()).await?;
        progress.set_position(from);
    }
    let took = start.elapsed();
    connection.close().await?;
    Ok(took)
}

/// One statement in a transaction of its own.
async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: serde_json::Value,
    count: usize,
) -> Result<()> {
    let outcome = sqlx::query(statement)
        .bind(rows.to_string())
        .execute(connection)
        .await?;
    ensure!(
        outcome.rows_affected() == count as u64,
        "the bare SQLite pipeline has lost rows"
    );
    Ok(())
}

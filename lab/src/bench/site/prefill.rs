//! What is in the tables before the service is: made by the database itself, in the shapes that the service leaves.

use anyhow::Result;

use super::Site;
use crate::database;

/// What a transaction has beside its ids and `created_at`.
const COLUMNS: &str =
    "source, type, source_account, destination_account, amount, currency, status, processed_at";
/// One that is finished. Nobody looks at what it says, so whatever that is, is as good.
const FINISHED: &str =
    "'transactions', NULL, 'acc_user_1', 'acc_merchant_1', 1500, 'INR', 'PROCESSED', at";
/// One that has failed.
const FAILED: &str =
    "'transactions', NULL, 'acc_user_1', 'acc_merchant_1', 1500, 'INR', 'FAILED', NULL";
/// When the first of several months begins.
pub(super) const FIRST_MONTH: &str = "date_trunc('month', now() - interval '1 year')";
/// Days of a month before the first row in it, and days in which rows come.
pub(super) const DAYS: (u64, u64) = (1, 20);

/// Attempts that a transaction had before it failed for good.
pub(in crate::bench) const ATTEMPTS: i32 = 3;
/// What downstream said to the last.
pub(in crate::bench) const ERROR: &str = "answered 503 Service Unavailable";

impl Site {
    /// Puts `rows` finished transactions into the empty tables, as they would be after a long life. All are in the partition
    /// in which the service goes on.
    pub(in crate::bench) async fn prefill(&mut self, rows: u64) -> Result<()> {
        let from = format!(
            "SELECT lpad(to_hex(n), 32, '0')::uuid AS id, 'txn_' || substr(md5(n::text), 1, 16) AS transaction_id, n, \
               now() - interval '1 day' AS at FROM generate_series(1, {rows}) AS n"
        );
        self.without_index(async || self.fill(&from, FINISHED).await)
            .await?;
        self.prefilled = rows;
        self.settle().await
    }

    /// Puts `rows` transactions that have failed into the empty tables: each was received within the last hours, was tried
    /// [`ATTEMPTS`] times, and was given up.
    pub(in crate::bench) async fn prefill_failed(&mut self, rows: u64) -> Result<()> {
        let at = format!("now() - interval '2 hours' + n * interval '1 hour' / {rows}");
        let from = format!(
            "SELECT {} AS id, 'txn_failed_' || n AS transaction_id, n, at FROM (SELECT n, {at} AS at \
             FROM generate_series(1, {rows}) AS n) AS times",
            id("at", "n")
        );
        self.without_index(async || self.fill(&from, FAILED).await)
            .await?;
        self.execute(&failures()).await?;
        self.execute("VACUUM ANALYZE failures").await?;
        self.execute("VACUUM ANALYZE attempts").await?;
        (self.prefilled, self.failed) = (rows, rows);
        self.settle().await
    }

    /// Puts `rows` finished transactions into months of their own, from a year ago on, as retention finds them after a long
    /// life.
    pub(in crate::bench) async fn prefill_months(&self, rows: u64, months: u64) -> Result<()> {
        self.fill_months(rows, months, FINISHED).await
    }

    /// The same with transactions that have other `columns`, said with `n`, a row's number in its month from 1 on, and `at`, its
    /// time.
    pub(super) async fn fill_months(&self, rows: u64, months: u64, columns: &str) -> Result<()> {
        self.execute(database::WITHOUT_PAST).await?;
        let (each, (before, days)) = (rows / months, DAYS);
        self.without_index(async || {
            for month in 0..months {
                let start =
                    format!("{FIRST_MONTH} + interval '{month} months' + interval '{before} days'");
                self.execute(&format!("SELECT hookline_make_partitions({start})"))
                    .await?;
                let from = format!(
                    "SELECT {} AS id, 'old_{month}_' || n AS transaction_id, n, at FROM (SELECT n, \
                     {start} + n * interval '{days} days' / {each} AS at FROM generate_series(1, {each}) AS n) AS times",
                    id("at", "n")
                );
                self.fill(&from, columns).await?;
            }
            Ok(())
        })
        .await
    }

    /// Adds transactions and their keys.
    async fn fill(&self, from: &str, columns: &str) -> Result<()> {
        self.execute(&format!(
            "WITH filled AS (INSERT INTO transactions (id, transaction_id, created_at, {COLUMNS}) \
               SELECT id, transaction_id, at, {columns} FROM ({from}) AS rows RETURNING source, transaction_id, id) \
             INSERT INTO keys (source, transaction_id, id, fingerprint) SELECT *, id FROM filled"
        ))
        .await
    }

    /// An index is built far faster than it grows.
    async fn without_index(&self, fill: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        self.execute("ALTER TABLE keys DROP CONSTRAINT keys_pkey")
            .await?;
        fill().await?;
        self.execute("ALTER TABLE keys ADD PRIMARY KEY (source, transaction_id)")
            .await?;
        self.execute("VACUUM ANALYZE transactions").await?;
        self.execute("VACUUM ANALYZE keys").await
    }
}

/// A row's id, which begins with its time, as SQL.
pub(super) fn id(at: &str, number: &str) -> String {
    format!(
        "(lpad(to_hex(floor(extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex({number}), 12, '0'))::uuid"
    )
}

/// What is kept of every `FAILED` transaction.
pub(super) fn failures() -> String {
    format!(
        "WITH failed AS (INSERT INTO failures (id, verdict, reason, failed_at, attempts) \
           SELECT id, 'EXHAUSTED', '{ERROR}', created_at + interval '1 minute', {ATTEMPTS} \
           FROM transactions WHERE status = 'FAILED' RETURNING id, failed_at) \
         INSERT INTO attempts (id, number, started_at, took_ms, outcome, status, error) \
           SELECT id, number, failed_at - ({ATTEMPTS} - number) * interval '10 s', 12, 'FAILED', 503, '{ERROR}' \
           FROM failed CROSS JOIN generate_series(1, {ATTEMPTS}) AS number"
    )
}

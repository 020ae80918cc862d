//! The change on SQLite, which cannot alter tables like this: they are made anew. Without rows' numbers of SQLite's own each row
//! is found in one tree and not in two, which makes up for the tree of `keys`.

use ring::digest::{SHA256, digest};
use sea_orm_migration::{
    prelude::*,
    sea_orm::{DbBackend, QueryResult, Statement},
};

/// Rows whose keys are made by one statement.
const PORTION: u32 = 5_000;

const UP: &str = "CREATE TABLE keys ( \
       source varchar(63) NOT NULL, transaction_id varchar(255) NOT NULL, id blob NOT NULL, fingerprint blob NOT NULL, \
       PRIMARY KEY (source, transaction_id) \
     ) WITHOUT ROWID; \
     CREATE TABLE payloads ( \
       id uuid_text NOT NULL PRIMARY KEY, content_type text, headers text, body blob NOT NULL, \
       sent_at timestamp_with_timezone_text \
     ); \
     CREATE TABLE refusals ( \
       id uuid_text NOT NULL PRIMARY KEY, source varchar(63) NOT NULL, reason varchar(20) NOT NULL, skew_s bigint, \
       size bigint NOT NULL, hash blob NOT NULL, \
       refused_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) \
     ); \
     ALTER TABLE write_probe RENAME TO probe; \
     CREATE TABLE new ( \
       id uuid_text NOT NULL PRIMARY KEY, source varchar(63) NOT NULL DEFAULT 'transactions', \
       transaction_id varchar(255) NOT NULL, type varchar(255), \
       source_account varchar(255), destination_account varchar(255), amount text, currency varchar(3), extra text, \
       status varchar(10) NOT NULL DEFAULT 'PROCESSING', \
       created_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
       processed_at timestamp_with_timezone_text, \
       CHECK (status IN ('PROCESSING', 'PROCESSED', 'FAILED')), \
       CHECK ((status = 'PROCESSED') = (processed_at IS NOT NULL)), \
       CHECK (source <> 'transactions' OR (source_account IS NOT NULL AND destination_account IS NOT NULL \
         AND amount IS NOT NULL AND currency IS NOT NULL)) \
     ) WITHOUT ROWID; \
     INSERT INTO new (id, transaction_id, source_account, destination_account, amount, currency, status, created_at, processed_at) \
       SELECT id, transaction_id, source_account, destination_account, amount, currency, status, created_at, processed_at \
       FROM transactions; \
     DROP TABLE transactions; \
     ALTER TABLE new RENAME TO transactions; \
     CREATE TABLE new ( \
       id uuid_text NOT NULL PRIMARY KEY, source varchar(63) NOT NULL DEFAULT 'transactions', \
       transaction_id varchar(255) NOT NULL, type varchar(255), \
       source_account varchar(255), destination_account varchar(255), amount text, currency varchar(3), extra text, body blob, \
       received_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) \
     ); \
     INSERT INTO new (id, transaction_id, source_account, destination_account, amount, currency, received_at) \
       SELECT id, transaction_id, source_account, destination_account, amount, currency, received_at FROM conflicts; \
     DROP TABLE conflicts; \
     ALTER TABLE new RENAME TO conflicts; \
     CREATE INDEX conflicts_transaction_id ON conflicts (transaction_id); \
     CREATE TABLE new ( \
       id uuid_text NOT NULL PRIMARY KEY, due_at bigint NOT NULL, holder uuid_text, crashes integer NOT NULL DEFAULT 0, \
       attempts integer NOT NULL DEFAULT 0, waits boolean NOT NULL DEFAULT FALSE, failures integer NOT NULL DEFAULT 0 \
     ) WITHOUT ROWID; \
     INSERT INTO new SELECT id, due_at, holder, crashes, attempts, waits, failures FROM outbox; \
     DROP TABLE outbox; \
     ALTER TABLE new RENAME TO outbox;";

const DOWN: &str = "DROP TABLE keys; DROP TABLE payloads; DROP TABLE refusals; \
     ALTER TABLE probe RENAME TO write_probe; \
     CREATE TABLE old ( \
       id uuid_text NOT NULL PRIMARY KEY, transaction_id varchar(255) NOT NULL UNIQUE, \
       source_account varchar(255) NOT NULL, destination_account varchar(255) NOT NULL, amount text NOT NULL, \
       currency varchar(3) NOT NULL, status varchar(10) NOT NULL DEFAULT 'PROCESSING', \
       created_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
       processed_at timestamp_with_timezone_text, \
       CHECK (status IN ('PROCESSING', 'PROCESSED', 'FAILED')), \
       CHECK ((status = 'PROCESSED') = (processed_at IS NOT NULL)) \
     ); \
     INSERT INTO old SELECT id, transaction_id, source_account, destination_account, amount, currency, status, created_at, \
       processed_at FROM transactions; \
     DROP TABLE transactions; \
     ALTER TABLE old RENAME TO transactions; \
     CREATE TABLE old ( \
       id uuid_text NOT NULL PRIMARY KEY, transaction_id varchar(255) NOT NULL, \
       source_account varchar(255) NOT NULL, destination_account varchar(255) NOT NULL, amount text NOT NULL, \
       currency varchar(3) NOT NULL, \
       received_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) \
     ); \
     INSERT INTO old SELECT id, transaction_id, source_account, destination_account, amount, currency, received_at \
       FROM conflicts; \
     DROP TABLE conflicts; \
     ALTER TABLE old RENAME TO conflicts; \
     CREATE INDEX conflicts_transaction_id ON conflicts (transaction_id);";

pub(super) async fn up(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    db.execute_unprepared(UP).await?;
    let mut last: Vec<u8> = Vec::new();
    loop {
        let rows = format!(
            "SELECT id, transaction_id, source_account, destination_account, amount, currency FROM transactions \
             WHERE id > $1 ORDER BY id LIMIT {PORTION}"
        );
        let rows = Statement::from_sql_and_values(DbBackend::Sqlite, rows, [last.clone().into()]);
        let rows = db.query_all_raw(rows).await?;
        let Some(row) = rows.last() else {
            return Ok(());
        };
        last = row.try_get_by_index(0)?;
        let keys = rows.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let insert = "INSERT INTO keys (source, transaction_id, id, fingerprint) \
             SELECT 'transactions', value ->> 0, unhex(value ->> 1), unhex(value ->> 2) FROM json_each($1)";
        let keys = serde_json::Value::from(keys).to_string();
        let insert = Statement::from_sql_and_values(DbBackend::Sqlite, insert, [keys.into()]);
        db.execute_raw(insert).await?;
    }
}

pub(super) async fn down(db: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    db.execute_unprepared(DOWN).await?;
    Ok(())
}

/// A row's key and fingerprint: what PostgreSQL computes in the migration `keys`.
fn key(row: &QueryResult) -> Result<serde_json::Value, DbErr> {
    let text = |column: &str| row.try_get_by::<String, _>(column);
    let fields = [
        String::new(),
        text("source_account")?,
        text("destination_account")?,
        with_four_digits(&text("amount")?),
        text("currency")?,
    ];
    let digest = digest(&SHA256, fields.join("\u{1f}").as_bytes());
    let id: Vec<u8> = row.try_get_by("id")?;
    let fingerprint = digest.as_ref().iter().take(16).copied().collect::<Vec<_>>();
    let key = vec![text("transaction_id")?, hex(&id), hex(&fingerprint)];
    Ok(key.into())
}

/// An amount is kept without zeros at its end; its fingerprint has all four digits.
fn with_four_digits(amount: &str) -> String {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}.{fraction:0<4}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

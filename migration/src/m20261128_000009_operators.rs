//! What operators do, and what is kept for them: retries of what has failed, replays, pauses, the audit, how often known ids
//! came again, which process has a duty that one must have, and when each source was last heard of.
//!
//! The version before goes on working beside this one. What it moves between `outbox` and `retries` loses the new columns'
//! values, so nobody should retry or replay anything before all processes are of this version.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Whatever moves through `outbox` and `retries` carries these: how many attempts had been made before an operator reopened
/// it; whether it is a replay, whose transaction is final; and the bulk retry that brought it. One column at a time, for
/// SQLite.
///
/// The indexes on `bulk` hold only what a bulk retry has brought: the rest costs them nothing.
const UP: &str = "ALTER TABLE outbox ADD COLUMN earlier integer NOT NULL DEFAULT 0; \
     ALTER TABLE outbox ADD COLUMN replay boolean NOT NULL DEFAULT FALSE; \
     ALTER TABLE outbox ADD COLUMN bulk UUID; \
     CREATE INDEX outbox_bulk ON outbox (bulk) WHERE bulk IS NOT NULL; \
     ALTER TABLE retries ADD COLUMN earlier integer NOT NULL DEFAULT 0; \
     ALTER TABLE retries ADD COLUMN replay boolean NOT NULL DEFAULT FALSE; \
     ALTER TABLE retries ADD COLUMN bulk UUID; \
     CREATE INDEX retries_bulk ON retries (bulk) WHERE bulk IS NOT NULL; \
     CREATE INDEX failures_bulk ON failures (bulk) WHERE bulk IS NOT NULL; \
     CREATE INDEX failures_failed_at ON failures (failed_at); \
     CREATE TABLE audit ( \
       id UUID PRIMARY KEY NOT NULL, act varchar(20) NOT NULL, who varchar(255) NOT NULL, reason text NOT NULL, \
       source varchar(63) BYTES, transaction_id varchar(255) BYTES, subject UUID, count bigint NOT NULL, detail text, \
       acted_at TIME NOT NULL DEFAULT NOW \
     ); \
     CREATE TABLE bulk_retries ( \
       id UUID PRIMARY KEY NOT NULL, filter text NOT NULL, rate integer NOT NULL, state varchar(10) NOT NULL, \
       who varchar(255) NOT NULL, reason text NOT NULL, matched bigint NOT NULL, \
       retried bigint NOT NULL DEFAULT 0, passed_over bigint NOT NULL DEFAULT 0, retried_again bigint NOT NULL DEFAULT 0, \
       next_id UUID NOT NULL, failed_before TIME NOT NULL, next_at bigint NOT NULL, \
       created_at TIME NOT NULL DEFAULT NOW, ended_at TIME, \
       CHECK (state IN ('RUNNING', 'PAUSED', 'CANCELLED', 'DONE')), CHECK (rate > 0) \
     ); \
     CREATE TABLE pauses ( \
       source varchar(63) BYTES PRIMARY KEY NOT NULL, until bigint, who varchar(255) NOT NULL, reason text NOT NULL, \
       since TIME NOT NULL DEFAULT NOW \
     ); \
     CREATE TABLE repeats ( \
       id UUID PRIMARY KEY NOT NULL, count bigint NOT NULL, last_at TIME NOT NULL \
     ); \
     CREATE TABLE duties ( \
       name varchar(40) BYTES PRIMARY KEY NOT NULL, holder UUID NOT NULL, until bigint NOT NULL \
     ); \
     CREATE TABLE heard ( \
       source varchar(63) BYTES PRIMARY KEY NOT NULL, last_at bigint NOT NULL \
     );";

/// What was to be replayed is final: without its entry it is as if nobody had asked. What is parked for a pause that nobody
/// will know of is due. A version that does not know a verdict could not show what has it.
const DOWN: &str = "DELETE FROM outbox WHERE replay; \
     UPDATE failures SET verdict = 'PERMANENT' WHERE verdict = 'GIVEN_UP'; \
     UPDATE retries SET due_at = set_at WHERE due_at >= 4611686018427387904; \
     DELETE FROM retries WHERE replay; \
     DROP TABLE heard; DROP TABLE duties; DROP TABLE repeats; DROP TABLE pauses; DROP TABLE bulk_retries; DROP TABLE audit; \
     DROP INDEX retries_bulk; \
     ALTER TABLE retries DROP COLUMN bulk; ALTER TABLE retries DROP COLUMN replay; ALTER TABLE retries DROP COLUMN earlier; \
     DROP INDEX outbox_bulk; \
     ALTER TABLE outbox DROP COLUMN bulk; ALTER TABLE outbox DROP COLUMN replay; ALTER TABLE outbox DROP COLUMN earlier;";

/// `failures` says how many attempts there were and which bulk retry had reopened it; and there is a verdict more. On SQLite
/// another CHECK is another table.
const FAILURES_UP: [&str; 2] = [
    "ALTER TABLE failures ADD COLUMN attempts integer NOT NULL DEFAULT 0; \
     ALTER TABLE failures ADD COLUMN bulk uuid; \
     ALTER TABLE failures DROP CONSTRAINT failures_verdict_check; \
     ALTER TABLE failures ADD CONSTRAINT failures_verdict_check \
       CHECK (verdict IN ('PERMANENT', 'EXHAUSTED', 'POISON', 'GIVEN_UP')) NOT VALID; ",
    "CREATE TABLE new ( \
       id uuid_text PRIMARY KEY NOT NULL, verdict varchar(10) NOT NULL, reason text NOT NULL, \
       failed_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
       attempts integer NOT NULL DEFAULT 0, bulk uuid_text, \
       CHECK (verdict IN ('PERMANENT', 'EXHAUSTED', 'POISON', 'GIVEN_UP')) \
     ); \
     INSERT INTO new (id, verdict, reason, failed_at) SELECT id, verdict, reason, failed_at FROM failures; \
     DROP TABLE failures; \
     ALTER TABLE new RENAME TO failures; ",
];

const FAILURES_DOWN: [&str; 2] = [
    "DROP INDEX failures_failed_at; DROP INDEX failures_bulk; \
     ALTER TABLE failures DROP COLUMN bulk; ALTER TABLE failures DROP COLUMN attempts; \
     ALTER TABLE failures DROP CONSTRAINT failures_verdict_check; \
     ALTER TABLE failures ADD CONSTRAINT failures_verdict_check \
       CHECK (verdict IN ('PERMANENT', 'EXHAUSTED', 'POISON')) NOT VALID",
    "CREATE TABLE new ( \
       id uuid_text PRIMARY KEY NOT NULL, verdict varchar(10) NOT NULL, reason text NOT NULL, \
       failed_at timestamp_with_timezone_text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
       CHECK (verdict IN ('PERMANENT', 'EXHAUSTED', 'POISON')) \
     ); \
     INSERT INTO new SELECT id, verdict, reason, failed_at FROM failures; \
     DROP TABLE failures; \
     ALTER TABLE new RENAME TO failures",
];

/// One for PostgreSQL, and one for SQLite.
fn of(backend: DbBackend, both: [&'static str; 2]) -> &'static str {
    match backend {
        DbBackend::Postgres => both[0],
        _ => both[1],
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Several statements are one change, on SQLite, too.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let [uuid, bytes, time, now] = match backend {
            DbBackend::Postgres => ["uuid", "COLLATE \"C\"", "timestamptz", "now()"],
            _ => [
                "uuid_text",
                "",
                "timestamp_with_timezone_text",
                "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
            ],
        };
        let up = UP
            .replace(" UUID", &format!(" {uuid}"))
            .replace(" BYTES", &format!(" {bytes}"))
            .replace(" TIME", &format!(" {time}"))
            .replace("DEFAULT NOW", &format!("DEFAULT {now}"));
        let up = format!("{}{up}", of(backend, FAILURES_UP));
        manager.get_connection().execute_unprepared(&up).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let down = format!("{DOWN} {}", of(backend, FAILURES_DOWN));
        manager.get_connection().execute_unprepared(&down).await?;
        Ok(())
    }
}

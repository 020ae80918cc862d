//! Connections to the database, with the settings that the promises need, and a look at whether the
//! server keeps them.

mod address;
mod rights;
mod server;
mod session;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
    sqlx::{
        Connection as _,
        postgres::PgConnection,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};

pub use address::Address;
pub use rights::{
    Parts, cannot_migrate, check as check_rights, check_retention, missing as missing_rights,
};

/// Waiting for a connection of the pool: short, because a webhook has 500 ms.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(2);
/// A connection that has rested for longer is tried before it is used.
const RESTED: Duration = Duration::from_secs(5);
/// Such a trial.
const PING_WITHIN: Duration = Duration::from_millis(250);
/// SQLite: waiting for another process's write lock.
const BUSY_WITHIN: Duration = Duration::from_secs(5);
/// SQLite: memory for pages, in KiB (a negative number, as SQLite wants it).
const SQLITE_CACHE_KIB: &str = "-65536";
/// SQLite: pages (4 KiB) that the write-ahead log gathers before they are moved to the file. The same
/// page is then moved once instead of many times.
const SQLITE_WAL_PAGES: &str = "8000";
/// SQLite: where it notes how to undo a single statement of a transaction. In files, as by default, each page that a batch
/// touches would be written once more. No crash needs these notes: that is what the write-ahead log is for
/// (<https://sqlite.org/tempfiles.html>).
const SQLITE_TEMP_STORE: &str = "memory";

/// A pool for one part of the process, so that no part can starve another.
pub async fn connect(
    address: &Address,
    part: &str,
    connections: u32,
) -> anyhow::Result<DatabaseConnection> {
    open(options(address, part, connections, session::SERVICE)).await
}

/// A pool that only looks up: for what else there is to do it has too little time, and on SQLite, whose writer is one
/// connection that a look-up need not wait for, no right.
pub async fn connect_readers(
    address: &Address,
    part: &str,
    connections: u32,
) -> anyhow::Result<DatabaseConnection> {
    match address.is_sqlite() {
        true => sqlite_readers(address, connections).await,
        false => open(options(address, part, connections, session::LOOK_UPS)).await,
    }
}

fn options(
    address: &Address,
    part: &str,
    connections: u32,
    settings: session::Settings,
) -> ConnectOptions {
    let mut options = ConnectOptions::new(address.url());
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_WITHIN)
        // On PostgreSQL that trial has no limit of time, and one of our own takes its place. On SQLite there is no server that
        // could have gone away, and it costs a commit two switches to another thread and back.
        .test_before_acquire(false)
        .set_application_name(format!("hookline {part}"))
        .map_sqlx_postgres_pool_opts(move |pool| {
            let pool = session::set_after_connect(pool, settings);
            pool.before_acquire(|connection, usage| {
                Box::pin(async move { Ok(usage.idle_for < RESTED || is_good(connection).await) })
            })
        });
    if address.is_sqlite() {
        // A new connection would open whatever the path names then, and begin with an empty cache.
        options.idle_timeout(None).max_lifetime(None);
    }
    options
}

/// Whether a connection that has rested is still there, and has its session: a firewall may have forgotten it without a word.
async fn is_good(connection: &mut PgConnection) -> bool {
    let trial = tokio::time::timeout(PING_WITHIN, session::holds(connection)).await;
    matches!(trial, Ok(Ok(true)))
}

/// A connection for migrations, which may take their time.
pub async fn for_migrations(address: &Address) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(address.url());
    options
        .max_connections(1)
        .acquire_timeout(address.connect_within().max(ACQUIRE_WITHIN))
        .set_application_name("hookline migrate")
        .map_sqlx_postgres_pool_opts(|pool| session::set_after_connect(pool, session::MIGRATIONS));
    open(options).await
}

/// Whether the database is there and can be used at all: a pool would try until its time is up and then not say why. Tells the
/// log what of the address has no effect.
pub async fn reach(address: &Address) -> anyhow::Result<()> {
    address.tell();
    if !address.is_sqlite() {
        return server::check(address).await;
    }
    match address.must_exist() {
        Some(path) if !path.exists() => bail!(
            "DATABASE_URL: {} is not there, and mode=rw makes none; mode=rwc does",
            path.display()
        ),
        _ => Ok(()),
    }
}

async fn sqlite_readers(address: &Address, connections: u32) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(address.url());
    options
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_WITHIN)
        .map_sqlx_sqlite_opts(|options| options.pragma("query_only", "on"));
    options.sqlx_logging(false).record_stmt_in_spans(false);
    Database::connect(options)
        .await
        .context("DATABASE_URL: the database cannot be opened for reading")
}

async fn open(mut options: ConnectOptions) -> anyhow::Result<DatabaseConnection> {
    options
        // The text of statements is of no use in a log, and their data none of its business.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_postgres_opts(session::plain)
        .map_sqlx_sqlite_opts(|options| {
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("cache_size", SQLITE_CACHE_KIB)
                .pragma("wal_autocheckpoint", SQLITE_WAL_PAGES)
                .pragma("temp_store", SQLITE_TEMP_STORE)
                .busy_timeout(BUSY_WITHIN)
        })
        .map_sqlx_sqlite_before_acquire(|connection, _| {
            // When the disk is full SQLite may roll back by itself. sqlx does not notice, and on such
            // a connection the next "commit" would only release a savepoint. Such a connection goes.
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        });
    Database::connect(options)
        .await
        .context("DATABASE_URL: the database cannot be reached")
}

/// Settings and the values with which a commit survives a crash.
type Safe = &'static [(&'static str, &'static [&'static str])];

const SAFE_POSTGRES: Safe = &[
    ("fsync", &["on"]),
    ("full_page_writes", &["on"]),
    (
        "synchronous_commit",
        &["on", "local", "remote_write", "remote_apply"],
    ),
];
const SAFE_SQLITE: Safe = &[("journal_mode", &["wal"]), ("synchronous", &["2", "3"])];

/// Warns where a commit would not survive a crash of the server.
pub async fn check_durability(db: &DatabaseConnection) -> anyhow::Result<()> {
    for (setting, value) in unsafe_settings(db).await? {
        tracing::warn!(
            event = "commits_unsafe",
            "the database runs with {setting} = {value}: a crash of it can lose webhooks that \
             were answered with 202"
        );
    }
    Ok(())
}

/// The settings with which a commit would not survive a crash of the server, and their values.
pub async fn unsafe_settings(
    db: &DatabaseConnection,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let backend = db.get_database_backend();
    let is_postgres = backend == DbBackend::Postgres;
    let mut found = Vec::new();
    for (setting, safe) in if is_postgres {
        SAFE_POSTGRES
    } else {
        SAFE_SQLITE
    } {
        let query = match is_postgres {
            true => format!("SHOW {setting}"),
            false => format!("SELECT CAST({setting} AS text) FROM pragma_{setting}"),
        };
        let row = db
            .query_one_raw(Statement::from_string(backend, query))
            .await?
            .context("the database does not tell its settings")?;
        let value: String = row.try_get_by_index(0)?;
        if !safe.contains(&value.as_str()) {
            found.push((*setting, value));
        }
    }
    Ok(found)
}

/// Makes sure that the schema has what this version needs.
pub async fn check_schema(db: &DatabaseConnection) -> anyhow::Result<()> {
    let pending = migration::pending(db)
        .await
        .context("DATABASE_URL: the database does not tell its schema")?;
    ensure!(
        pending.is_empty(),
        "DATABASE_URL: the database lacks {}; run hookline migrate up",
        pending.join(", ")
    );
    Ok(())
}

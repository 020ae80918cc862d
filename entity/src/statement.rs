//! How a statement is run: within a time of our own, on a connection that is given up if it broke.
//!
//! A connection can be dead without a word: its server has failed over, a firewall has forgotten it. Then no error
//! comes, and nobody but us ends the wait. On PostgreSQL every statement of ours is a single one, autocommitted and
//! repeatable, so one that takes too long is given up together with its connection, and tried again on another.
//! SQLite's statements are transactions in a file that is ours, and are never cut short by a limit. One that fails in the
//! middle leaves its transaction open, and everything after it would fail on that connection: it is rolled back.

use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DbBackend, DbErr, QueryResult, RuntimeErr, Statement,
    sqlx::{
        self, AssertSqlSafe, Database, Either, Executor as _, PgPool, Postgres, Sqlite, SqlitePool,
        error::Error as SqlxError, pool::PoolConnection, postgres::PgRow, sqlite::SqliteRow,
    },
};
use sea_query_sqlx::SqlxValues;

use crate::waits;

/// A statement that changes something, by our clock. The server ends it after 5 s (`statement_timeout`); what has not
/// even said so a second later never will.
const STATEMENT_WITHIN: Duration = Duration::from_secs(6);
/// A look-up, by our clock: it is made once more on a new connection, and somebody waits for it.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(1);
/// How long a look may take, by our clock and by the server's, which ends it first.
pub(crate) struct LookLimit {
    ours: Duration,
    servers: &'static str,
}

/// For what falls due now.
pub(crate) const LOOK: LookLimit = LookLimit {
    ours: Duration::from_secs(3),
    servers: "SET LOCAL statement_timeout = '2s'",
};
/// On the way through everything that is there: a shorter one is made next, and what falls due now waits for it.
pub(crate) const LOOK_THROUGH: LookLimit = LookLimit {
    ours: Duration::from_millis(1500),
    servers: "SET LOCAL statement_timeout = '750ms'",
};
/// Getting a connection that is there. After that it is better to make a new one.
const IDLE_WITHIN: Duration = Duration::from_millis(500);
/// Trying a connection and putting it back into the pool after a statement.
const RETURN_WITHIN: Duration = Duration::from_secs(5);

/// Ending what hangs in the server.
const END_WITHIN: Duration = Duration::from_secs(2);
/// PostgreSQL's own limits hang on the wall clock (its `timeout.c`): if that is set back while a statement waits for a lock,
/// then neither its `statement_timeout` nor the deadlock that it may be in is noticed before the clock has caught up. What it
/// has locked stays locked until then, also when its client is gone. So, when one of ours has not ended by our clock, all of
/// ours that wait for a lock longer than they may, or since a time that is still to come, are ended.
const END_WHAT_HANGS: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND usename = current_user \
    AND application_name LIKE 'hookline %' AND application_name <> 'hookline migrate' \
    AND state = 'active' AND wait_event_type = 'Lock' \
    AND clock_timestamp() - query_start NOT BETWEEN interval '0' AND interval '5.5 s'";

/// Runs a statement; returns its rows.
pub(crate) async fn query(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<Vec<QueryResult>, DbErr> {
    query_within(db, statement, STATEMENT_WITHIN).await
}

/// Runs a statement that may read more than there is time for; returns its rows. PostgreSQL ends it in time, and the
/// connection is as good as before.
pub(crate) async fn look(
    db: &DatabaseConnection,
    statement: Statement,
    limit: LookLimit,
) -> Result<Vec<QueryResult>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return query(db, statement).await;
    }
    // As text, for only so the server gets both at once, as one transaction (PostgreSQL's docs, 55.2.2.1): nothing stays open
    // there, whatever becomes of the connection.
    let limited = format!("{}; {statement}", limit.servers);
    let run = async |connection: &mut PoolConnection<Postgres>| {
        (sqlx::raw_sql(AssertSqlSafe(limited)).fetch_all(&mut **connection)).await
    };
    let rows: Vec<PgRow> = on_postgres(db.get_postgres_connection_pool(), limit.ours, run).await?;
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

/// Runs a statement after another one that makes it wait for its turn, both in one transaction; returns the second's rows. On
/// PostgreSQL each of the two sees what was committed before it began.
pub(crate) async fn query_after(
    db: &DatabaseConnection,
    first: Statement,
    then: Statement,
) -> Result<Vec<QueryResult>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return query(db, then).await;
    }
    // As text, as in `look`: nothing stays open there.
    let both = format!("{first}; {then}");
    let run = async |connection: &mut PoolConnection<Postgres>| {
        let mut results = sqlx::raw_sql(AssertSqlSafe(both)).fetch_many(&mut **connection);
        let (mut ended, mut rows) = (0, Vec::new());
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Left(_) => ended += 1,
                Either::Right(row) if ended == 1 => rows.push(row),
                Either::Right(_) => {}
            }
        }
        Ok(rows)
    };
    let rows: Vec<PgRow> =
        on_postgres(db.get_postgres_connection_pool(), STATEMENT_WITHIN, run).await?;
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

/// Runs a statement; returns how many rows it changed.
pub(crate) async fn execute(db: &DatabaseConnection, statement: Statement) -> Result<u64, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        let run = async |connection: &mut PoolConnection<Sqlite>| {
            let done = bind(statement).execute(&mut **connection).await?;
            Ok(done.rows_affected())
        };
        return on_sqlite(db.get_sqlite_connection_pool(), run).await;
    }
    let run = async |connection: &mut PoolConnection<Postgres>| {
        let done = bind(statement).execute(&mut **connection).await?;
        Ok(done.rows_affected())
    };
    on_postgres(db.get_postgres_connection_pool(), STATEMENT_WITHIN, run).await
}

/// Runs a query that only reads; if its connection turns out to be broken, once more on another.
pub(crate) async fn look_up(
    db: &DatabaseConnection,
    statement: impl Fn() -> Statement,
) -> Result<Vec<QueryResult>, DbErr> {
    match query_within(db, statement(), LOOK_UP_WITHIN).await {
        Err(error) if is_lost(&error) => query_within(db, statement(), LOOK_UP_WITHIN).await,
        outcome => outcome,
    }
}

async fn query_within(
    db: &DatabaseConnection,
    statement: Statement,
    limit: Duration,
) -> Result<Vec<QueryResult>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        let run = async |connection: &mut PoolConnection<Sqlite>| {
            bind(statement).fetch_all(&mut **connection).await
        };
        let rows: Vec<SqliteRow> = on_sqlite(db.get_sqlite_connection_pool(), run).await?;
        return Ok(rows.into_iter().map(QueryResult::from).collect());
    }
    let run = async |connection: &mut PoolConnection<Postgres>| {
        bind(statement).fetch_all(&mut **connection).await
    };
    let rows: Vec<PgRow> = on_postgres(db.get_postgres_connection_pool(), limit, run).await?;
    Ok(rows.into_iter().map(QueryResult::from).collect())
}

fn bind<D: Database>(
    Statement { sql, values, .. }: Statement,
) -> sqlx::query::Query<'static, D, SqlxValues>
where
    SqlxValues: sqlx::IntoArguments<D>,
{
    let values = values.unwrap_or_else(|| sea_orm::Values(Vec::new()));
    // Every text comes from this crate, and what callers pass is bound.
    sqlx::query_with(AssertSqlSafe(sql), SqlxValues(values))
}

async fn on_postgres<T>(
    pool: &PgPool,
    limit: Duration,
    run: impl AsyncFnOnce(&mut PoolConnection<Postgres>) -> Result<T, SqlxError>,
) -> Result<T, DbErr> {
    let mut borrowed = Borrowed(Some(acquire(pool).await?));
    let outcome = match tokio::time::timeout(limit, run(borrowed.connection())).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => {
            let pool = pool.clone();
            let end = async move { pool.execute(END_WHAT_HANGS).await };
            tokio::spawn(tokio::time::timeout(END_WITHIN, end));
            Err(timed_out(limit))
        }
    };
    match &outcome {
        Err(error) if is_lost(error) => {
            drop(borrowed);
            give_up_idle(pool);
        }
        _ => borrowed.give_back(),
    }
    outcome
}

async fn on_sqlite<T>(
    pool: &SqlitePool,
    run: impl AsyncFnOnce(&mut PoolConnection<Sqlite>) -> Result<T, SqlxError>,
) -> Result<T, DbErr> {
    let since = Instant::now();
    let acquired = pool.acquire().await.map_err(not_acquired);
    waits::ended(pool, since);
    let mut borrowed = Borrowed(Some(acquired?));
    let outcome = run(borrowed.connection()).await;
    if outcome.is_err() {
        // Where no transaction is open that is one more error, and tells nothing.
        let _ = borrowed.connection().execute("ROLLBACK").await;
    }
    borrowed.give_back();
    outcome.map_err(failed)
}

/// A connection from the pool. One that has rested is tried first, and if it is dead, sqlx says goodbye to it: that may hang
/// as long as anything on it.
async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, DbErr> {
    let since = Instant::now();
    let acquired = match tokio::time::timeout(IDLE_WITHIN, pool.acquire()).await {
        Ok(acquired) => acquired,
        Err(_) => {
            give_up_idle(pool);
            pool.acquire().await
        }
    };
    waits::ended(pool, since);
    acquired.map_err(not_acquired)
}

fn not_acquired(error: SqlxError) -> DbErr {
    match error {
        SqlxError::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

fn failed(error: SqlxError) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// What hangs or has lost its right to write is seldom alone: the others came from the same server.
fn give_up_idle(pool: &PgPool) {
    while let Some(idle) = pool.try_acquire() {
        // Closes the socket without a word that could hang.
        drop(idle.detach());
    }
}

/// A connection while a statement runs on it. Whatever ends that early (a connection that broke, a limit, a future that is
/// dropped) ends the connection, too: nobody knows what it is in the middle of.
struct Borrowed<D: Database>(Option<PoolConnection<D>>);

impl<D: Database> Borrowed<D> {
    fn connection(&mut self) -> &mut PoolConnection<D> {
        let Some(connection) = &mut self.0 else {
            unreachable!("only give_back takes it, and ends this")
        };
        connection
    }

    /// Puts it back into the pool. The pool tries it first, which may hang as any statement may.
    fn give_back(mut self) {
        if let Some(mut connection) = self.0.take() {
            let returned = connection.return_to_pool();
            tokio::spawn(tokio::time::timeout(RETURN_WITHIN, returned));
        }
    }
}

impl<D: Database> Drop for Borrowed<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Closes the socket without a word that could hang.
            drop(connection.detach());
        }
    }
}

fn timed_out(limit: Duration) -> DbErr {
    let error = std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("no answer within {} s", limit.as_secs()),
    );
    DbErr::Query(RuntimeErr::SqlxError(SqlxError::Io(error).into()))
}

/// Whether an error says that the connection is of no more use: it broke or hung, or its server is going down, starting,
/// or takes no writes any more.
fn is_lost(error: &DbErr) -> bool {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Conn(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    match &**error {
        // PostgreSQL's appendix A: 08 connection exception, 25006 read-only transaction, 57P01 to 57P05 the server ends
        // the session, F0 configuration file error, XX internal error. And 0A000 feature not supported, which a statement
        // that was prepared before a migration may be from then on ("cached plan must not change result type").
        SqlxError::Database(error) => error.code().is_some_and(|code| {
            code == "25006"
                || code == "0A000"
                || ["08", "57P", "F0", "XX"]
                    .iter()
                    .any(|class| code.starts_with(class))
        }),
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::WorkerCrashed => true,
        _ => false,
    }
}

//! The look at a PostgreSQL server before anything is done there: whether it lets us in, whether each connection has a session
//! to itself, and whether the database can keep what it is given.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail, ensure};
use sea_orm::sqlx::{
    self, ConnectOptions as _, Connection as _, Executor as _, Row as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{address::Address, session};

/// After connecting: all that is asked.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// By how much the clocks of this machine and of the database may differ before it is worth a word. Times in the log and in
/// the tables are then hard to compare; what is due goes by clocks that each part compares with itself.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(5);
/// In which order two connections ask for their sessions. A pooler that lends sessions out gives whoever asks the one that was
/// last given back, or the one that has rested longest: either way this order gives one connection two sessions, or both the
/// same. Where others use the pooler meanwhile, each question is another chance.
const ASKING: [usize; 12] = [0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1];

/// Fails with one sentence if the server cannot be used; warns of what can be lived with.
pub(super) async fn check(address: &Address) -> anyhow::Result<()> {
    let options: PgConnectOptions = address.url().parse().context("DATABASE_URL")?;
    let options = session::plain(options)
        .application_name("hookline start")
        .disable_statement_logging();
    let first = connect(address, &options).await?;
    let second = connect(address, &options)
        .await
        .context("DATABASE_URL: the server gives no second connection")?;
    let mut connections = [first, second];
    let asking = async {
        refuse_shared_sessions(&mut connections).await?;
        check_database(address, &mut connections[0]).await?;
        for connection in connections {
            connection.close().await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(ASK_WITHIN, asking)
        .await
        .with_context(|| format!("DATABASE_URL: the server at {address} does not answer"))?
}

async fn connect(address: &Address, options: &PgConnectOptions) -> anyhow::Result<PgConnection> {
    let within = address.connect_within();
    match tokio::time::timeout(within, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(not_let_in(address, error)),
        Err(_) => bail!(
            "DATABASE_URL: the database cannot be reached: no answer from {address} within {} s",
            within.as_secs()
        ),
    }
}

/// What the server says is no secret: names, never passwords.
fn not_let_in(address: &Address, error: sqlx::Error) -> anyhow::Error {
    let Some(said) = error.as_database_error() else {
        let unreachable = format!("DATABASE_URL: the database cannot be reached at {address}");
        return anyhow::Error::new(error).context(unreachable);
    };
    // PostgreSQL's appendix A: 28 invalid authorization, 3D000 no such database.
    match said.code().as_deref() {
        Some("28P01" | "28000") => anyhow!(
            "DATABASE_URL: the server refuses the login to {address}: {}",
            said.message()
        ),
        Some("3D000") => anyhow!(
            "DATABASE_URL: the server has no database {}; create it, or name another one",
            address.database()
        ),
        _ => anyhow!(
            "DATABASE_URL: the server refuses the connection to {address}: {}",
            said.message()
        ),
    }
}

/// A pooler in transaction mode has no place for what a session is set to, and a prepared statement of one connection may be
/// another's there, under the same name: what is answered with 202 would not be what was committed.
async fn refuse_shared_sessions(connections: &mut [PgConnection; 2]) -> anyhow::Result<()> {
    let mut sessions: [Option<i32>; 2] = [None; 2];
    for asking in ASKING {
        let row = connections[asking]
            .fetch_one("SELECT pg_backend_pid()")
            .await?;
        let session: i32 = row.try_get(0)?;
        let is_its_own = *sessions[asking].get_or_insert(session) == session;
        ensure!(
            is_its_own && sessions[0] != sessions[1],
            "DATABASE_URL must not lead to a pooler in transaction mode, which gives each transaction another session: \
             take its session mode (pool_mode = session), or the address of the database itself"
        );
    }
    Ok(())
}

async fn check_database(address: &Address, connection: &mut PgConnection) -> anyhow::Result<()> {
    let asked = SystemTime::now();
    let row = connection
        .fetch_one(
            "SELECT current_setting('server_encoding') AS encoding, \
                    current_schema() IS NOT NULL AS has_schema, current_user::text AS role, \
                    current_setting('search_path') AS search_path, \
                    pg_is_in_recovery() AS is_standby, \
                    current_setting('default_transaction_read_only') = 'on' AS is_read_only, \
                    extract(epoch FROM clock_timestamp())::float8 AS clock",
        )
        .await?;
    let answered = SystemTime::now();

    let encoding: String = row.try_get("encoding")?;
    ensure!(
        encoding == "UTF8",
        "DATABASE_URL: the database {} has the encoding {encoding}, which cannot keep every character; it must be UTF8 \
         (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)",
        address.database()
    );
    let (role, search_path): (String, String) = (row.try_get("role")?, row.try_get("search_path")?);
    ensure!(
        row.try_get::<bool, _>("has_schema")?,
        "DATABASE_URL: of the schemas in the search_path ({search_path}) the role {role} may use none; create one, or \
         GRANT USAGE ON SCHEMA … TO {role}"
    );
    if row.try_get("is_standby")? {
        tracing::warn!("the database is a standby: webhooks get 503 until it takes writes");
    } else if row.try_get("is_read_only")? {
        tracing::warn!(
            "the database is read-only (default_transaction_read_only): webhooks get 503 until it takes writes"
        );
    }
    warn_of_clocks(asked, answered, row.try_get("clock")?);
    Ok(())
}

/// Compares the database's clock with this machine's: it told the time somewhere between question and answer.
fn warn_of_clocks(asked: SystemTime, answered: SystemTime, clock: f64) {
    let seconds = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs_f64()
    };
    let ahead = (clock - seconds(answered)).max(0.0);
    let behind = (seconds(asked) - clock).max(0.0);
    if ahead.max(behind) > CLOCKS_DIFFER_MAX.as_secs_f64() {
        tracing::warn!(
            event = "clocks_differ",
            by_ms = ((ahead - behind) * 1000.0) as i64,
            "the clocks of this machine and of the database differ: set them by NTP"
        );
    }
}

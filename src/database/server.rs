//! The look at a PostgreSQL server before anything is done there: whether it lets us in, whether each connection has a session
//! to itself, and whether the database can keep what it is given.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail, ensure};
use sea_orm::sqlx::{
    self, ConnectOptions as _, Connection as _, Executor as _, Row as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{address::Address, session};

/// After connecting: each of the two things that are asked.
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
    let are_shared = tokio::time::timeout(ASK_WITHIN, share_sessions(&mut connections)).await;
    let are_shared = are_shared.map_err(anyhow::Error::from).and_then(|asked| Ok(asked?)).context(
        "DATABASE_URL: two connections get no two sessions; a pooler needs as many as there are connections",
    )?;
    ensure!(
        !are_shared,
        "DATABASE_URL must not lead to a pooler in transaction mode, which gives each transaction another session: take its \
         session mode (pool_mode = session), or the address of the database itself"
    );
    let asking = async {
        check_database(address, &mut connections[0]).await?;
        for connection in connections {
            connection.close().await?;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(ASK_WITHIN, asking)
        .await
        .with_context(|| format!("DATABASE_URL: {address} does not answer"))?
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

/// Whether whoever sits between gives the same session to several connections, or a connection several sessions. A pooler in
/// transaction mode has no place for what a session is set to, and a prepared statement of one connection may be another's
/// there, under the same name: what is answered with 202 would not be what was committed.
async fn share_sessions(connections: &mut [PgConnection; 2]) -> sqlx::Result<bool> {
    let mut sessions: [Option<i32>; 2] = [None; 2];
    for asking in ASKING {
        let row = connections[asking].fetch_one("SELECT pg_backend_pid()");
        let session = row.await?.try_get(0)?;
        let before = sessions[asking].replace(session);
        if before.is_some_and(|before| before != session) || sessions[0] == sessions[1] {
            return Ok(true);
        }
    }
    Ok(false)
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
        tracing::warn!(
            event = "takes_no_writes",
            "the database is a standby: webhooks get 503 until it takes writes"
        );
    } else if row.try_get("is_read_only")? {
        tracing::warn!(
            event = "takes_no_writes",
            "the database is read-only (default_transaction_read_only): webhooks get 503 until it takes writes"
        );
    }
    let by_ms = clock_ahead_ms(asked, answered, row.try_get("clock")?);
    if u128::from(by_ms.unsigned_abs()) > CLOCKS_DIFFER_MAX.as_millis() {
        tracing::warn!(
            event = "clocks_differ",
            by_ms,
            "the database's clock and this machine's differ: set them by NTP"
        );
    }
    Ok(())
}

/// By how many milliseconds the database's clock, in seconds since 1970, is ahead of this machine's; below 0 where it is behind.
/// It was read at some time between question and answer.
fn clock_ahead_ms(asked: SystemTime, answered: SystemTime, clock: f64) -> i64 {
    let seconds = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs_f64()
    };
    let ahead = (clock - seconds(answered)).max(0.0) - (seconds(asked) - clock).max(0.0);
    (ahead * 1000.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_by_the_time_between_question_and_answer() {
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        for (clock, ahead) in [
            (90.0, -10_000),
            (100.0, 0),
            (101.5, 0),
            (102.0, 0),
            (112.5, 10_500),
        ] {
            assert_eq!(clock_ahead_ms(at(100), at(102), clock), ahead, "{clock}");
        }
    }
}

//! What every session with PostgreSQL is set to, and whether it still is.
//!
//! It is set after connecting and not in the startup packet: a pooler (PgBouncer) refuses what it does not know there, or
//! passes over it without a word. And it is asked for again, as whoever sits between may give a connection another session.

use sea_orm::sqlx::{
    self, AssertSqlSafe, Executor as _, Row as _,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgConnection, Postgres},
};

/// Settings of a session, by their names.
pub(super) type Settings = &'static [(&'static str, &'static str)];

/// For the service's own statements.
pub(super) const SERVICE: Settings = &service("5000");
/// For look-ups, which nobody waits for any longer: what a filter asks for may be much to read. Less than our own limit, so that
/// the server ends one first, and the connection is as good as before.
pub(super) const LOOK_UPS: Settings = &service("900");

/// Times in milliseconds.
const fn service(statement_timeout: &'static str) -> [(&'static str, &'static str); 5] {
    [
        // A statement, by the server's clock.
        ("statement_timeout", statement_timeout),
        // The server ends a session that sits in an open transaction for so long.
        ("idle_in_transaction_session_timeout", "5000"),
        // Every statement of ours that repeats asks by key. A plan that was made and kept while the tables were empty would read
        // them whole, again and again, as they grow.
        ("enable_seqscan", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        // A scan that there is no way around (over the few consumers, say) counts as ruinously dear then, and would be compiled
        // anew each time.
        ("jit", "off"),
    ]
}

/// For migrations, which may take their time. "already exists, skipping" is what migrating twice is meant to do.
pub(super) const MIGRATIONS: Settings = &[("client_min_messages", "warning")];

/// A setting of our own, which means nothing to the server. A session that has it has the others, too.
const MARK: &str = "hookline.session";

/// Without what a pooler need not know: all that is left is the application's name, and what PgBouncer keeps for each client.
pub(super) fn plain(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None)
}

/// A pool whose connections are set to `settings` before anything else is done with them.
pub(super) fn set_after_connect(
    pool: PoolOptions<Postgres>,
    settings: Settings,
) -> PoolOptions<Postgres> {
    pool.after_connect(move |connection, _| Box::pin(set(connection, settings)))
}

async fn set(connection: &mut PgConnection, settings: Settings) -> sqlx::Result<()> {
    let mark = (MARK, "set");
    let set: Vec<String> = settings
        .iter()
        .chain([&mark])
        .map(|(name, value)| format!("set_config('{name}', '{value}', false)"))
        .collect();
    // Whoever had a pooler's session before may have left statements under the names that the library will use.
    let sql = format!("DEALLOCATE ALL; SELECT {}", set.join(", "));
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Whether the session behind a connection answers, and is the one that was set.
pub(super) async fn holds(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let mark = format!("SELECT current_setting('{MARK}', true)");
    let row = connection.fetch_one(AssertSqlSafe(mark)).await?;
    let mark: Option<String> = row.try_get(0)?;
    Ok(mark.as_deref() == Some("set"))
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run scripts/test"]
    async fn a_session_that_has_lost_its_settings_is_known() {
        let url = testbed::given::postgres().unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        assert!(!holds(&mut connection).await.unwrap());
        set(&mut connection, SERVICE).await.unwrap();
        assert!(holds(&mut connection).await.unwrap());
        let row = connection.fetch_one("SHOW statement_timeout").await;
        assert_eq!(row.unwrap().get::<String, _>(0), "5s");
        connection.execute("DISCARD ALL").await.unwrap();
        assert!(!holds(&mut connection).await.unwrap());
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run scripts/test"]
    async fn statements_that_somebody_left_in_a_session_are_in_nobodys_way() {
        let url = testbed::given::postgres().unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        // By the name that the library gives its first.
        let left = "PREPARE sqlx_s_1 AS SELECT 'another answer'";
        connection.execute(left).await.unwrap();
        set(&mut connection, SERVICE).await.unwrap();
        let answer = sqlx::query_scalar("SELECT $1::int4").bind(7);
        let answer: i32 = answer.fetch_one(&mut connection).await.unwrap();
        assert_eq!(answer, 7);
    }
}

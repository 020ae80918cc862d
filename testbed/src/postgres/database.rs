//! Databases of one's own on a server that is given by its URL.

use anyhow::{Context as _, Result, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
use url::Url;

/// How the names of our databases start; nothing else is ever dropped.
const PREFIX: &str = "hookline_test_";

/// Where one stands to drop a database: every server has it.
const MAINTENANCE: &str = "postgres";

/// Makes an empty database with a name of its own on the server that `server_url` leads to, and returns its URL: the
/// same server, user and parameters. The user needs the right to create databases.
pub async fn create_database(server_url: &str) -> Result<String> {
    let name = format!("{PREFIX}{:016x}", rand::random::<u64>());
    // template0 is the one template that no connection can hold up.
    execute(
        server_url,
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    )
    .await?;
    with_database(server_url, &name)
}

/// Drops a database that [`create_database`] made, connections or not. Nothing if it is gone already.
pub async fn drop_database(url: &str) -> Result<()> {
    let name = parse(url)?.path().trim_start_matches('/').to_owned();
    let is_ours = name
        .strip_prefix(PREFIX)
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    ensure!(is_ours, "the database {name} was not made by the testbed");
    execute(
        &with_database(url, MAINTENANCE)?,
        &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
    .await
}

async fn execute(url: &str, statement: &str) -> Result<()> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options)
        .await
        .context("cannot connect to PostgreSQL")?;
    let outcome = connection.execute_unprepared(statement).await;
    connection.close().await?;
    outcome.with_context(|| format!("{statement} failed"))?;
    Ok(())
}

fn with_database(url: &str, database: &str) -> Result<String> {
    let mut url = parse(url)?;
    url.set_path(database);
    Ok(url.into())
}

fn parse(url: &str) -> Result<Url> {
    // Without the URL: it may hold a password.
    Url::parse(url).context("the database URL is not a URL")
}

#[cfg(test)]
mod tests {
    use super::{drop_database, with_database};

    #[test]
    fn a_database_url_keeps_server_user_and_parameters() {
        let url = with_database(
            "postgres://me:secret@host:1234/other?sslmode=require",
            "mine",
        )
        .unwrap();
        assert_eq!(url, "postgres://me:secret@host:1234/mine?sslmode=require");
    }

    #[tokio::test]
    async fn a_database_of_somebody_else_is_never_dropped() {
        for name in ["hookline", "hookline_test_x;y", ""] {
            let refusal = drop_database(&format!("postgres://nobody@127.0.0.1:1/{name}"))
                .await
                .unwrap_err();
            assert!(
                refusal.to_string().contains("not made by the testbed"),
                "{refusal}"
            );
        }
    }
}

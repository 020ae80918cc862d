//! Finds or starts the servers that the tests need, runs a command on them, and stops what it started.

use std::{ffi::OsString, process::ExitCode, time::Instant};

use anyhow::{Result, bail, ensure};
use testbed::{given, postgres, rabbitmq};

use crate::{
    command, compose,
    signals::{Signals, exit_code},
};

/// The servers' names in `compose.yaml`.
const POSTGRES: &str = "postgres";
const RABBITMQ: &str = "rabbitmq";

/// Where a server comes from.
enum Source {
    Given(String),
    Private,
    Compose,
}

/// Returns the command's exit code, or that of the signal that ended everything.
pub(crate) async fn run(command: &[OsString]) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let database = source(given::postgres(), postgres::installed()).await;
    let broker = source(given::rabbitmq(), rabbitmq::installed()).await;
    let (database, broker) = match (database, broker) {
        (Some(database), Some(broker)) => (database, broker),
        (None, _) => bail!(missing("PostgreSQL", "postgresql", given::DATABASE_URL)),
        (_, None) => bail!(missing("RabbitMQ", "rabbitmq-server", given::AMQP_URL)),
    };
    let wanted = [(&database, POSTGRES), (&broker, RABBITMQ)];
    let services: Vec<&str> = wanted
        .iter()
        .filter(|(source, _)| matches!(source, Source::Compose))
        .map(|(_, service)| *service)
        .collect();

    let outcome = on_servers(database, broker, &services, command, &mut signals).await;
    if !services.is_empty() {
        compose::down().await?;
    }
    outcome.map(ExitCode::from)
}

/// Fails unless private servers of both kinds can be started here.
pub(crate) fn can_start() -> Result<()> {
    ensure!(postgres::installed(), "PostgreSQL is not installed");
    ensure!(rabbitmq::installed(), "RabbitMQ is not installed");
    Ok(())
}

async fn on_servers(
    database: Source,
    broker: Source,
    services: &[&str],
    command: &[OsString],
    signals: &mut Signals,
) -> Result<u8> {
    let starting = async {
        let postgres = postgres::Server::start(postgres::Options::default());
        let rabbitmq = rabbitmq::Server::start(rabbitmq::Options::default());
        tokio::try_join!(
            start_compose(services),
            start(
                database,
                "PostgreSQL",
                compose::DATABASE_URL,
                postgres,
                |server| { server.url("postgres") }
            ),
            start(
                broker,
                "RabbitMQ",
                compose::AMQP_URL,
                rabbitmq,
                rabbitmq::Server::amqp_url
            ),
        )
    };
    let ((), (database_url, postgres), (amqp_url, rabbitmq)) = tokio::select! {
        started = starting => started?,
        signal = signals.next() => return Ok(exit_code(signal.as_raw())),
    };
    let variables = [
        (given::DATABASE_URL, database_url.as_str()),
        (given::AMQP_URL, amqp_url.as_str()),
    ];
    let code = command::run(command, &variables, signals).await;
    let start = Instant::now();
    if postgres.is_some() || rabbitmq.is_some() {
        drop((postgres, rabbitmq));
        say("the private servers are stopped", start);
    }
    code
}

/// What to use when a URL is `given` or not, or `None` if there is nothing.
async fn source(given: Result<String>, installed: bool) -> Option<Source> {
    match given.ok().filter(|url| !url.is_empty()) {
        Some(url) => Some(Source::Given(url)),
        None if installed => Some(Source::Private),
        None => compose::available().await.then_some(Source::Compose),
    }
}

fn missing(server: &str, package: &str, variable: &str) -> String {
    format!(
        "there is no {server} to test on: install the package {package}, or start a Docker engine, or name a server \
         in {variable}"
    )
}

async fn start_compose(services: &[&str]) -> Result<()> {
    if !services.is_empty() {
        let start = Instant::now();
        compose::up(services).await?;
        say(
            &format!("compose.yaml has started {}", services.join(" and ")),
            start,
        );
    }
    Ok(())
}

/// The server's URL, and the server itself where a `private` one was started.
async fn start<S>(
    source: Source,
    name: &str,
    compose_url: &str,
    private: impl Future<Output = Result<S>>,
    url: impl Fn(&S) -> String,
) -> Result<(String, Option<S>)> {
    let start = Instant::now();
    match source {
        Source::Given(url) => Ok((url, None)),
        Source::Compose => Ok((compose_url.to_owned(), None)),
        Source::Private => {
            let server = private.await?;
            say(&format!("a private {name} is ready"), start);
            Ok((url(&server), Some(server)))
        }
    }
}

/// One line for the person who waits: what is done, and how long it took.
fn say(what: &str, start: Instant) {
    eprintln!("testbed: {what} ({:.1} s)", start.elapsed().as_secs_f64());
}

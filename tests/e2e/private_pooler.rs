//! Behind a PgBouncer of the test's own.

use testbed::{
    pgbouncer::{PoolMode, Pooler},
    postgres,
};

use crate::{
    database_address::assert_waiting_is_ended, faults::until_logged, harness::Harness,
    settings::refused,
};

/// A harness whose address leads to a pooler in that mode, with so many sessions, and its database's own address.
async fn behind(mode: PoolMode, sessions: u16) -> (Harness, String, Pooler, postgres::Server) {
    let server = postgres::Server::start(postgres::Options::default());
    let server = server.await.unwrap();
    let pooler = Pooler::start(&server, mode, sessions).await.unwrap();
    let mut harness = Harness::on(&server.url("postgres"), "unused").await;
    harness.environment.remove("AMQP_URL");
    let direct = harness.environment["DATABASE_URL"].clone();
    let (_, name) = direct.rsplit_once('/').unwrap();
    harness.environment.insert("DATABASE_URL", pooler.url(name));
    (harness, direct, pooler, server)
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn in_session_mode_everything_works_with_its_limits() {
    let (mut harness, direct, _pooler, _server) = behind(PoolMode::Session, 40).await;
    let api = harness.process("").await;
    harness.send(&api.url(), "t1").await;
    harness.processed(&api.url(), "t1").await;
    let pooled = harness.environment.insert("DATABASE_URL", direct.clone());
    assert_waiting_is_ended(&harness, &api.url()).await;
    until_logged(&api, "statement timeout").await;
    harness.environment.insert("DATABASE_URL", pooled.unwrap());
    // Sessions that are given back serve the next process.
    api.kill().await;
    let api = harness.process("").await;
    harness.send(&api.url(), "t2").await;
    harness.processed(&api.url(), "t2").await;
    api.kill().await;
    harness.environment.insert("DATABASE_URL", direct);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn transaction_mode_is_refused_however_busy_the_pooler_is() {
    for sessions in [1, 2, 20] {
        let (mut harness, direct, _pooler, _server) = behind(PoolMode::Transaction, sessions).await;
        for others in [0, 8] {
            let load: Vec<_> = (0..others)
                .map(|_| tokio::spawn(ask_on(harness.environment["DATABASE_URL"].clone())))
                .collect();
            for arguments in [&[][..], &["migrate", "up"]] {
                let sentence = refused(&harness, arguments, 1).await;
                assert!(sentence.contains("pool_mode = session"), "{sentence}");
            }
            load.iter().for_each(|task| task.abort());
        }
        harness.environment.insert("DATABASE_URL", direct);
    }
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn a_pooler_with_too_few_sessions_is_told() {
    let (mut harness, direct, _pooler, _server) = behind(PoolMode::Session, 1).await;
    let sentence = refused(&harness, &[], 1).await;
    assert!(
        sentence.contains("as many as there are connections"),
        "{sentence}"
    );
    harness.environment.insert("DATABASE_URL", direct);
}

/// Another client of the pooler's, which asks again and again.
async fn ask_on(url: String) {
    use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .map_sqlx_postgres_opts(|options| options.extra_float_digits(None));
    let db = Database::connect(options).await.unwrap();
    let ask = "SELECT pg_sleep(random() / 1000)";
    while db.execute_unprepared(ask).await.is_ok() {}
}

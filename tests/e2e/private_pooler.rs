//! Behind a PgBouncer of the test's own.

use testbed::{
    pgbouncer::{PoolMode, Pooler},
    postgres,
};

use crate::{
    database_address::assert_waiting_is_ended, faults::until_logged, house::House,
    settings::refused,
};

/// A house whose address leads to a pooler in that mode, with so many sessions, and its database's own address.
async fn behind(mode: PoolMode, sessions: u16) -> (House, String, Pooler, postgres::Server) {
    let server = postgres::Server::start(postgres::Options::default());
    let server = server.await.unwrap();
    let pooler = Pooler::start(&server, mode, sessions).await.unwrap();
    let mut house = House::on(&server.url("postgres"), "unused").await;
    house.environment.remove("AMQP_URL");
    let direct = house.environment["DATABASE_URL"].clone();
    let (_, name) = direct.rsplit_once('/').unwrap();
    house.environment.insert("DATABASE_URL", pooler.url(name));
    (house, direct, pooler, server)
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn in_session_mode_everything_works_with_its_limits() {
    let (mut house, direct, _pooler, _server) = behind(PoolMode::Session, 40).await;
    let api = house.process("").await;
    house.send(&api.url(), "t1").await;
    house.processed(&api.url(), "t1").await;
    let pooled = house.environment.insert("DATABASE_URL", direct.clone());
    assert_waiting_is_ended(&house, &api.url()).await;
    until_logged(&api, "statement timeout").await;
    house.environment.insert("DATABASE_URL", pooled.unwrap());
    // Sessions that are given back serve the next process.
    api.kill().await;
    let api = house.process("").await;
    house.send(&api.url(), "t2").await;
    house.processed(&api.url(), "t2").await;
    api.kill().await;
    house.environment.insert("DATABASE_URL", direct);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn transaction_mode_is_refused_however_busy_the_pooler_is() {
    for sessions in [1, 2, 20] {
        let (mut house, direct, _pooler, _server) = behind(PoolMode::Transaction, sessions).await;
        for others in [0, 8] {
            let load: Vec<_> = (0..others)
                .map(|_| tokio::spawn(ask_on(house.environment["DATABASE_URL"].clone())))
                .collect();
            for arguments in [&[][..], &["migrate", "up"]] {
                let sentence = refused(&house, arguments, 1).await;
                assert!(sentence.contains("pool_mode = session"), "{sentence}");
            }
            load.iter().for_each(|task| task.abort());
        }
        house.environment.insert("DATABASE_URL", direct);
    }
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn a_pooler_with_too_few_sessions_is_told() {
    let (mut house, direct, _pooler, _server) = behind(PoolMode::Session, 1).await;
    let sentence = refused(&house, &[], 1).await;
    assert!(
        sentence.contains("as many as there are connections"),
        "{sentence}"
    );
    house.environment.insert("DATABASE_URL", direct);
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

//! One part of the world is sick: connections that are dead without a word, a database that takes no writes, one process
//! of two. The rest must not notice, or only for a moment.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use testbed::proxy::{Mode, Proxy};

use super::{until, until_logged};
use crate::{
    harness::{Harness, webhook},
    processes::run,
};

/// How soon webhooks are taken again after all connections have gone dead: a statement's limit, a connection, and room for
/// a slow machine.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// A proxy before the database, and the database's address through it.
async fn through_a_proxy(harness: &Harness) -> (Proxy, String) {
    let url = &harness.environment["DATABASE_URL"];
    let (login, place) = url.split_once('@').unwrap();
    let (server, name) = place.split_once('/').unwrap();
    let server = tokio::net::lookup_host(server)
        .await
        .unwrap()
        .next()
        .unwrap();
    let proxy = Proxy::start(0, vec![server]).await.unwrap();
    let url = format!("{login}@{}/{name}", proxy.address());
    (proxy, url)
}

/// The server's own database, to change ours from.
async fn administrator() -> DatabaseConnection {
    Database::connect(testbed::given::postgres().unwrap())
        .await
        .unwrap()
}

fn name_of(harness: &Harness) -> String {
    let url = &harness.environment["DATABASE_URL"];
    url.rsplit_once('/').unwrap().1.to_owned()
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn after_a_failover_without_a_word_webhooks_are_taken_again_within_seconds() {
    let mut harness = Harness::on_servers().await;
    let direct = harness.environment["DATABASE_URL"].clone();
    let (proxy, url) = through_a_proxy(&harness).await;
    harness.environment.insert("DATABASE_URL", url);
    let process = harness.process("").await;
    let api = process.url();
    // Every connection of every pool is made.
    harness
        .send_all(&api, (0..200).map(|i| format!("before{i}")))
        .await;
    for _ in 0..8 {
        harness.get(&format!("{api}/v1/transactions/none")).await;
    }
    proxy.lose();
    let since = Instant::now();
    let taken = async || {
        harness
            .post(&api, webhook("after").to_string())
            .await
            .status()
            == 202
    };
    until(taken, || process.log()).await;
    assert!(since.elapsed() < BACK_WITHIN, "{:?}", since.elapsed());
    for _ in 0..8 {
        let status = harness
            .get(&format!("{api}/v1/transactions/none"))
            .await
            .status();
        assert_eq!(status, 404);
    }
    assert_eq!(harness.get(&format!("{api}/readyz")).await.status(), 200);
    // What hangs may still do so when others have long found new connections.
    let is_told = async || process.log().contains("no answer within");
    until(is_told, || process.log()).await;
    harness.processed(&api, "after").await;
    process.kill().await;
    harness.environment.insert("DATABASE_URL", direct);
    harness.start("").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn while_the_database_takes_no_writes_nothing_is_ready_and_afterwards_everything_is() {
    let mut harness = Harness::on_servers().await;
    let api = harness.start("").await.url();
    harness.send(&api, "before").await;
    let (name, server) = (name_of(&harness), administrator().await);
    let settings = [
        format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ];
    for setting in &settings {
        server.execute_unprepared(setting).await.unwrap();
    }
    let ready = async || harness.get(&format!("{api}/readyz")).await;
    until(async || ready().await.status() == 503, || "ready".into()).await;
    let names_it = async || {
        ready()
            .await
            .text()
            .await
            .unwrap()
            .contains("takes no writes")
    };
    until(names_it, || "the body does not say why".into()).await;
    let refused = harness.post(&api, webhook("meanwhile").to_string()).await;
    assert_eq!(refused.status(), 503);
    // Healed, and no session is ended.
    let heal = format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only");
    server.execute_unprepared(&heal).await.unwrap();
    let since = Instant::now();
    let taken = async || {
        harness
            .post(&api, webhook("after").to_string())
            .await
            .status()
            == 202
    };
    until(taken, || harness.running_log()).await;
    assert!(since.elapsed() < BACK_WITHIN, "{:?}", since.elapsed());
    until(
        async || ready().await.status() == 200,
        || "not ready".into(),
    )
    .await;
    harness.processed(&api, "after").await;
    harness.processed(&api, "before").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_that_loses_its_database_leaves_the_work_to_the_other() {
    let mut harness = Harness::migrated().await;
    harness.environment.insert("PREFETCH", "200".into());
    let api = harness.start("api").await.url();
    let direct = harness.environment["DATABASE_URL"].clone();
    let (proxy, url) = through_a_proxy(&harness).await;
    harness.environment.insert("DATABASE_URL", url);
    let sick = harness.process("consumer").await;
    harness.environment.insert("DATABASE_URL", direct);
    harness.start("consumer").await;
    harness
        .send_all(&api, (0..50).map(|i| format!("before{i}")))
        .await;
    harness.settled().await;
    proxy.set(Mode::Blackhole);
    harness
        .send_all(&api, (0..500).map(|i| format!("t{i}")))
        .await;
    // Everything, though the broker has dealt half of it to the one that cannot work.
    harness.settled().await;
    until_logged(&sick, "lease_lost").await;
    sick.kill().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn one_process_with_a_queue_of_its_own_uses_a_database_whatever_becomes_of_its_sessions() {
    let mut harness = Harness::on_servers().await;
    harness.environment.remove("AMQP_URL");
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
    let (name, server) = (name_of(&harness), administrator().await);
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    server.execute_unprepared(&end).await.unwrap();
    let second = run(harness.folder.path(), &[], &harness.environment).await;
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(
        second.stderr.contains("another hookline"),
        "{}",
        second.stderr
    );
    harness.send(&api, "t2").await;
    harness.processed(&api, "t2").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn after_a_move_to_a_broker_and_back_what_was_in_flight_begins_within_seconds() {
    let mut harness = Harness::on_servers().await;
    let broker = harness.environment["AMQP_URL"].clone();
    let move_to = async |harness: &mut Harness, queue: Option<&String>, delay: &str| {
        match queue {
            Some(url) => harness.environment.insert("AMQP_URL", url.clone()),
            None => harness.environment.remove("AMQP_URL"),
        };
        harness.environment.insert("PROCESSING_DELAY", delay.into());
        harness.process("").await
    };
    for round in 0..2 {
        for queue in [None, Some(&broker)] {
            let mut slow = move_to(&mut harness, queue, "600s").await;
            let ids = (0..10).map(|i| format!("t{round}{}{i}", queue.is_some()));
            harness.send_all(&slow.url(), ids.clone()).await;
            super::until_taken(&harness, 10).await;
            slow.signal(rustix::process::Signal::TERM);
            assert_eq!(slow.ended().await, Some(0));
            let other = queue.is_none().then_some(&broker);
            let quick = move_to(&mut harness, other, "10ms").await;
            for id in ids {
                harness.processed(&quick.url(), &id).await;
            }
            quick.kill().await;
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn what_no_repetition_can_mend_ends_the_consumer_in_a_sentence() {
    let mut harness = Harness::migrated().await;
    let mut consumer = harness.process("consumer").await;
    let api = harness.start("api").await.url();
    let db = harness.database().await;
    db.execute_unprepared("ALTER TABLE outbox RENAME COLUMN holder TO keeper")
        .await
        .unwrap();
    harness.send(&api, "t1").await;
    assert_eq!(consumer.ended().await, Some(1));
    // Its last words may be read a moment after its end.
    until_logged(&consumer, "column \"holder\" does not exist").await;
    db.execute_unprepared("ALTER TABLE outbox RENAME COLUMN keeper TO holder")
        .await
        .unwrap();
    harness.start("consumer").await;
    harness.processed(&api, "t1").await;
}

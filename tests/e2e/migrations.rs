//! Changes of the schema: whole or not at all, and beside whoever is at work.

use std::time::{Duration, Instant};

use entity::transaction;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, TransactionTrait};

use crate::{
    house::{House, webhook},
    processes::{Process, run},
};

/// How often a first start is killed, each time a little later.
const DEATHS: u32 = 40;

#[tokio::test]
async fn migrations_go_up_down_and_tell_their_status() {
    let house = House::embedded();
    let folder = house.folder.path();
    // The newest is the last, and the first that goes down.
    let status = async || {
        let told = run(folder, &["migrate", "status"], &house.environment).await;
        told.stdout.lines().last().unwrap_or_default().to_owned()
    };
    assert!(status().await.starts_with("Pending"));
    for (command, expected) in [
        ("up", "Applied"),
        ("down", "Pending"),
        ("fresh", "Applied"),
        ("refresh", "Applied"),
        ("reset", "Pending"),
    ] {
        let ended = run(folder, &["migrate", command], &house.environment).await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.stderr);
        assert!(status().await.starts_with(expected), "{command}");
    }
}

/// An upgrade migrates first and replaces the processes one by one: the old ones must not mind.
#[tokio::test]
async fn a_migration_of_a_newer_version_is_minded_by_nobody() {
    let mut house = House::embedded();
    let folder = house.folder.path();
    run(folder, &["migrate", "up"], &house.environment).await;
    let newer =
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_newer', 0)";
    house
        .database()
        .await
        .execute_unprepared(newer)
        .await
        .unwrap();
    let api = house.start("").await.url();
    let ready = house.get(&format!("{api}/readyz")).await;
    assert_eq!(ready.status(), 200);
    house.send(&api, "t1").await;
}

#[tokio::test]
async fn a_first_start_may_be_killed_at_any_moment() {
    let house = House::embedded();
    let start = Instant::now();
    house.process("").await.kill().await;
    let whole = start.elapsed();
    for death in 0..DEATHS {
        let house = House::embedded();
        let process = Process::begin(house.folder.path(), &house.environment);
        tokio::time::sleep(whole * death / DEATHS).await;
        process.kill().await;
        house.process("").await.kill().await;
    }
}

/// Behind a change that waits for a table everybody waits who comes after it. So it does not wait for long.
#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_migration_behind_a_reader_holds_up_no_webhook() {
    let mut house = House::on_servers().await;
    let migrate = async |house: &House, way| {
        let ended = run(house.folder.path(), &["migrate", way], &house.environment).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stderr
    };
    migrate(&house, "up").await;
    let api = house.start("api").await.url();
    house.start("consumer").await;
    // As the database of the version before.
    migrate(&house, "down").await;
    let db = house.database().await;
    let reader = db.begin().await.unwrap();
    transaction::Entity::find().count(&reader).await.unwrap();
    let webhooks = async {
        for n in 0..50 {
            let answer = house
                .post(&api, webhook(&format!("t{n}")).to_string())
                .await;
            assert_eq!(answer.status(), 202, "t{n}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        reader.rollback().await.unwrap();
    };
    let ((), told) = tokio::join!(webhooks, migrate(&house, "up"));
    assert!(told.contains("trying again"), "{told}");
    let answer = house.post(&api, webhook("after").to_string()).await;
    assert_eq!(answer.status(), 202);
}

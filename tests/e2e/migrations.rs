//! Changes of the schema: whole or not at all, and beside whoever is at work.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{
    harness::{Harness, webhook},
    processes::{Process, run},
};

/// How often a first start is killed, each time a little later.
const DEATHS: u32 = 40;

#[tokio::test]
async fn migrations_go_up_down_and_tell_their_status() {
    let harness = Harness::embedded();
    let folder = harness.folder.path();
    // The newest is the last, and the first that goes down.
    let status = async || {
        let told = run(folder, &["migrate", "status"], &harness.environment).await;
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
        let ended = run(folder, &["migrate", command], &harness.environment).await;
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.stderr);
        assert!(status().await.starts_with(expected), "{command}");
    }
}

/// An upgrade migrates first and replaces the processes one by one: the old ones must not mind.
#[tokio::test]
async fn a_migration_of_a_newer_version_is_minded_by_nobody() {
    let mut harness = Harness::embedded();
    let folder = harness.folder.path();
    run(folder, &["migrate", "up"], &harness.environment).await;
    let newer =
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_newer', 0)";
    harness
        .database()
        .await
        .execute_unprepared(newer)
        .await
        .unwrap();
    let api = harness.start("").await.url();
    let ready = harness.get(&format!("{api}/readyz")).await;
    assert_eq!(ready.status(), 200);
    harness.send(&api, "t1").await;
}

#[tokio::test]
async fn a_first_start_may_be_killed_at_any_moment() {
    let harness = Harness::embedded();
    let start = Instant::now();
    harness.process("").await.kill().await;
    let whole = start.elapsed();
    for death in 0..DEATHS {
        let harness = Harness::embedded();
        let process = Process::begin(harness.folder.path(), &harness.environment);
        tokio::time::sleep(whole * death / DEATHS).await;
        process.kill().await;
        harness.process("").await.kill().await;
    }
}

/// Behind a change that waits for a table everybody waits who comes after it. So it does not wait for long.
#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_migration_behind_a_reader_holds_up_no_webhook() {
    let mut harness = Harness::on_servers().await;
    let migrate = async |harness: &Harness, words: &[&str]| {
        let words = [&["migrate"], words].concat();
        let ended = run(harness.folder.path(), &words, &harness.environment).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stderr
    };
    migrate(&harness, &["up"]).await;
    let api = harness.start("api").await.url();
    // As the database of a version before: the third migration from the end changes what webhooks need.
    migrate(&harness, &["down", "--num", "3"]).await;
    let db = harness.database().await;
    let reader = db.begin().await.unwrap();
    let read = "SELECT count(*) FROM outbox";
    reader.execute_unprepared(read).await.unwrap();
    let webhooks = async {
        for n in 0..50 {
            let answer = harness
                .post(&api, webhook(&format!("t{n}")).to_string())
                .await;
            assert_eq!(answer.status(), 202, "t{n}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        reader.rollback().await.unwrap();
    };
    let ((), told) = tokio::join!(webhooks, migrate(&harness, &["up"]));
    assert!(told.contains("trying again"), "{told}");
    let answer = harness.post(&api, webhook("after").to_string()).await;
    assert_eq!(answer.status(), 202);
    harness.start("consumer").await;
}

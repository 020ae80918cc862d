//! A process dies, or sleeps so long that the others must think so.

use rustix::process::Signal;

use super::{fifty_in_flight, until_logged};
use crate::harness::Harness;

#[tokio::test]
async fn killed_in_the_middle_of_work_the_embedded_service_picks_everything_up_again() {
    let mut harness = Harness::embedded();
    harness.environment.insert("PROCESSING_DELAY", "30s".into());
    let first = harness.process("").await;
    harness
        .send_all(&first.url(), (0..50).map(|i| format!("t{i}")))
        .await;
    first.kill().await;
    harness
        .environment
        .insert("PROCESSING_DELAY", "100ms".into());
    let api = harness.start("").await.url();
    for i in 0..50 {
        harness.processed(&api, &format!("t{i}")).await;
    }
    assert_eq!(harness.rows().await, 50);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_killed_inside_the_delay_has_its_work_done_by_another() {
    let mut harness = Harness::migrated().await;
    let (_, doomed) = fifty_in_flight(&mut harness, "30s").await;
    doomed.kill().await;
    harness
        .environment
        .insert("PROCESSING_DELAY", "100ms".into());
    harness.start("consumer").await;
    harness.settled().await;
    assert_eq!(harness.rows().await, 50);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_that_slept_through_its_lease_changes_nothing_when_it_wakes() {
    let mut harness = Harness::migrated().await;
    let (api, sleeper) = fifty_in_flight(&mut harness, "1s").await;
    sleeper.signal(Signal::STOP);
    harness.start("consumer").await;
    let mut before = Vec::new();
    for i in 0..50 {
        before.push(harness.processed(&api, &format!("t{i}")).await);
    }
    sleeper.signal(Signal::CONT);
    until_logged(&sleeper, "could not renew its lease in time").await;
    for (i, before) in before.iter().enumerate() {
        let now = harness.transaction(&api, &format!("t{i}")).await;
        assert_eq!(now, *before);
    }
    harness.settled().await;
    sleeper.kill().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn what_an_api_had_committed_and_not_published_is_published_after_its_restart() {
    let mut harness = Harness::migrated().await;
    let broker = harness.environment["AMQP_URL"].clone();
    // Committed it is, and published it cannot be: nothing listens there.
    harness
        .environment
        .insert("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f".into());
    let doomed = harness.process("api").await;
    harness
        .send_all(&doomed.url(), (0..20).map(|i| format!("t{i}")))
        .await;
    let ready = harness.get(&format!("{}/readyz", doomed.url())).await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("\"queue\""));
    doomed.kill().await;
    harness.environment.insert("AMQP_URL", broker);
    harness.start("api").await;
    harness.start("consumer").await;
    harness.settled().await;
    assert_eq!(harness.rows().await, 20);
}

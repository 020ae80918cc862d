//! A process dies, or sleeps so long that the others must think so.

use rustix::process::Signal;

use super::{fifty_in_hand, migrated, until_logged};
use crate::house::House;

#[tokio::test]
async fn killed_in_the_middle_of_work_the_embedded_service_picks_everything_up_again() {
    let mut house = House::embedded();
    house.environment.insert("PROCESSING_DELAY", "30s".into());
    let first = house.process("").await;
    house
        .send_all(&first.url(), (0..50).map(|i| format!("t{i}")))
        .await;
    first.kill().await;
    house.environment.insert("PROCESSING_DELAY", "100ms".into());
    let api = house.start("").await.url();
    for i in 0..50 {
        house.processed(&api, &format!("t{i}")).await;
    }
    assert_eq!(house.rows().await, 50);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_killed_inside_the_delay_has_its_work_done_by_another() {
    let mut house = migrated().await;
    let (_, doomed) = fifty_in_hand(&mut house, "30s").await;
    doomed.kill().await;
    house.environment.insert("PROCESSING_DELAY", "100ms".into());
    house.start("consumer").await;
    house.settled().await;
    assert_eq!(house.rows().await, 50);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_that_slept_through_its_lease_changes_nothing_when_it_wakes() {
    let mut house = migrated().await;
    let (api, sleeper) = fifty_in_hand(&mut house, "1s").await;
    sleeper.signal(Signal::STOP);
    house.start("consumer").await;
    let mut before = Vec::new();
    for i in 0..50 {
        before.push(house.processed(&api, &format!("t{i}")).await);
    }
    sleeper.signal(Signal::CONT);
    until_logged(&sleeper, "could not renew its lease in time").await;
    for (i, before) in before.iter().enumerate() {
        let now = house.transaction(&api, &format!("t{i}")).await;
        assert_eq!(now, *before);
    }
    house.settled().await;
    sleeper.kill().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn what_an_api_had_committed_and_not_published_is_published_after_its_restart() {
    let mut house = migrated().await;
    let broker = house.environment["AMQP_URL"].clone();
    // Committed it is, and published it cannot be: nothing listens there.
    house
        .environment
        .insert("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f".into());
    let doomed = house.process("api").await;
    house
        .send_all(&doomed.url(), (0..20).map(|i| format!("t{i}")))
        .await;
    let ready = house.get(&format!("{}/readyz", doomed.url())).await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("\"queue\""));
    doomed.kill().await;
    house.environment.insert("AMQP_URL", broker);
    house.start("api").await;
    house.start("consumer").await;
    house.settled().await;
    assert_eq!(house.rows().await, 20);
}

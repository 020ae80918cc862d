//! Messages come twice, name nobody, or meet several processes.

use entity::SourceName;
use testbed::rabbitmq;

use crate::harness::Harness;

use super::until_ready;

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_message_published_twice_by_hand_is_processed_once() {
    let mut harness = Harness::migrated().await;
    harness.environment.insert("PROCESSING_DELAY", "1s".into());
    let api = harness.start("api").await.url();
    until_ready(&harness, &api).await;
    harness.send(&api, "t1").await;
    let url = harness.environment["AMQP_URL"].clone();
    let name = harness.environment["AMQP_QUEUE"].clone();
    let row = {
        let db = harness.database().await;
        entity::lifecycle::find(&db, &SourceName::built_in(), &"t1".parse().unwrap())
            .await
            .unwrap()
            .unwrap()
    };
    let message = row.id.to_string();
    for _ in 0..2 {
        rabbitmq::publish(&url, &name, message.as_bytes())
            .await
            .unwrap();
    }
    harness.start("consumer").await;
    let first = harness.processed(&api, "t1").await;
    harness.settled().await;
    // Once more, after the end.
    rabbitmq::publish(&url, &name, message.as_bytes())
        .await
        .unwrap();
    harness.settled().await;
    assert_eq!(harness.transaction(&api, "t1").await, first);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_message_that_names_no_row_becomes_a_dead_letter_and_harms_nothing() {
    let mut harness = Harness::migrated().await;
    harness.dead_letters = 3;
    let api = harness.start("api").await.url();
    harness.start("consumer").await;
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
    let url = harness.environment["AMQP_URL"].clone();
    let name = harness.environment["AMQP_QUEUE"].clone();
    let nobody = uuid::Uuid::now_v7().to_string();
    for body in [nobody.as_bytes(), b"no id", b"\x00\xff"] {
        rabbitmq::publish(&url, &name, body).await.unwrap();
    }
    harness.send(&api, "t2").await;
    harness.processed(&api, "t2").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn two_consumers_share_the_work_and_two_apis_the_same_ids() {
    let mut harness = Harness::migrated().await;
    let one = harness.start("api").await.url();
    let two = harness.start("api").await.url();
    for _ in 0..2 {
        harness.start("consumer").await;
    }
    let ids = || (0..300).map(|i| format!("t{i}"));
    tokio::join!(harness.send_all(&one, ids()), harness.send_all(&two, ids()));
    harness.settled().await;
    assert_eq!(harness.rows().await, 300);
}

//! Messages come twice, name nobody, or meet several processes.

use testbed::rabbitmq;

use super::{migrated, until_ready};

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_message_published_twice_by_hand_is_processed_once() {
    let mut house = migrated().await;
    house.environment.insert("PROCESSING_DELAY", "1s".into());
    let api = house.start("api").await.url();
    until_ready(&house, &api).await;
    house.send(&api, "t1").await;
    let url = house.environment["AMQP_URL"].clone();
    let name = house.environment["AMQP_QUEUE"].clone();
    let row = {
        let db = house.database().await;
        entity::lifecycle::find(&db, "t1").await.unwrap().unwrap()
    };
    let message = row.id.to_string();
    for _ in 0..2 {
        rabbitmq::publish(&url, &name, message.as_bytes())
            .await
            .unwrap();
    }
    house.start("consumer").await;
    let first = house.processed(&api, "t1").await;
    house.settled().await;
    // Once more, after the end.
    rabbitmq::publish(&url, &name, message.as_bytes())
        .await
        .unwrap();
    house.settled().await;
    assert_eq!(house.transaction(&api, "t1").await, first);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_message_that_names_no_row_becomes_a_dead_letter_and_harms_nothing() {
    let mut house = migrated().await;
    house.dead_letters = 3;
    let api = house.start("api").await.url();
    house.start("consumer").await;
    house.send(&api, "t1").await;
    house.processed(&api, "t1").await;
    let url = house.environment["AMQP_URL"].clone();
    let name = house.environment["AMQP_QUEUE"].clone();
    let nobody = uuid::Uuid::now_v7().to_string();
    for body in [nobody.as_bytes(), b"no id", b"\x00\xff"] {
        rabbitmq::publish(&url, &name, body).await.unwrap();
    }
    house.send(&api, "t2").await;
    house.processed(&api, "t2").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn two_consumers_share_the_work_and_two_apis_the_same_ids() {
    let mut house = migrated().await;
    let one = house.start("api").await.url();
    let two = house.start("api").await.url();
    for _ in 0..2 {
        house.start("consumer").await;
    }
    let ids = || (0..300).map(|i| format!("t{i}"));
    tokio::join!(house.send_all(&one, ids()), house.send_all(&two, ids()));
    house.settled().await;
    assert_eq!(house.rows().await, 300);
}

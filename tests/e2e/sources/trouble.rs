//! What is our trouble is never called the sender's: many a sender does not repeat what is answered with a 4xx.

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::Value;
use testbed::postgres;

use super::scene::{SECRET, Sender, processed, with_stripe};
use crate::{faults::until, harness::Harness};

const EVENT: &str = r#"{"id":"evt_8","type":"charge.succeeded"}"#;

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_database_that_answers_nothing_is_503() {
    let mut harness = Harness::on_servers().await;
    with_stripe(&mut harness);
    let api = harness.start("").await.url();
    let stripe = Sender::stripe();
    stripe.assert_well(&harness, &api).await;
    let db = harness.database().await;
    let locked = db.begin().await.unwrap();
    locked
        .execute_unprepared("LOCK TABLE keys IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let answer = stripe.send_once(&harness, &api, EVENT).await;
    assert_eq!(answer.status(), 503);
    let wait: u32 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(wait > 0);
    locked.rollback().await.unwrap();
    stripe.send_well(&harness, &api, EVENT).await;
    processed(&harness, &api, "stripe", "evt_8").await;
    assert_eq!(harness.rows().await, 2);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn private_servers_a_database_that_is_away_is_503_and_afterwards_the_same_event_is_taken_once()
 {
    let mut postgres = postgres::Server::start(postgres::Options::default())
        .await
        .unwrap();
    let mut harness = Harness::on(&postgres.url("postgres"), "unused").await;
    harness.environment.remove("AMQP_URL");
    with_stripe(&mut harness);
    let api = harness.start("").await.url();
    let stripe = Sender::stripe();
    stripe.assert_well(&harness, &api).await;
    postgres.kill().await.unwrap();
    for _ in 0..5 {
        let answer = stripe.send_once(&harness, &api, EVENT).await;
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
    // What is forged is no trouble of ours.
    let forged = Sender::new("stripe", "stripe", "another secret");
    assert_eq!(forged.send(&harness, &api, EVENT).await.status(), 401);
    postgres.start_again().await.unwrap();
    let taken = async || stripe.send_once(&harness, &api, EVENT).await.status() == 200;
    until(taken, || "the database is back and not used".into()).await;
    processed(&harness, &api, "stripe", "evt_8").await;
    assert_eq!(harness.rows().await, 2);
    drop(harness);
}

#[tokio::test]
async fn a_secret_that_has_vanished_is_named_by_readyz_and_makes_nothing_unready() {
    let mut harness = Harness::embedded();
    let file = harness.folder.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    harness
        .environment
        .insert("SOURCE_STRIPE_SECRET_FILE", "secret".into());
    let api = harness.start("").await.url();
    let warnings = async || {
        let ready = harness.get(&format!("{api}/readyz")).await;
        assert_eq!(ready.status(), 200);
        ready.json::<Value>().await.unwrap()["warnings"].clone()
    };
    crate::faults::until_ready(&harness, &api).await;
    assert_eq!(warnings().await, Value::Null);
    std::fs::remove_file(&file).unwrap();
    let is_named = async || warnings().await != Value::Null;
    until(is_named, || "nobody misses the secret".into()).await;
    let named = warnings().await;
    assert_eq!(named[0]["field"], "sources");
    let reason = named[0]["reason"].as_str().unwrap();
    assert!(reason.contains("SOURCE_STRIPE_SECRET_FILE"), "{reason}");
    assert!(!reason.contains(SECRET), "{reason}");
    Sender::stripe().assert_well(&harness, &api).await;
    std::fs::write(&file, SECRET).unwrap();
    let is_well = async || warnings().await == Value::Null;
    until(is_well, || "the secret is back".into()).await;
}

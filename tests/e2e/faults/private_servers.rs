//! Servers of the test's own go away and come back, or want TLS.

use std::time::{Duration, Instant};

use testbed::{postgres, rabbitmq, tls::Certificates};

use super::until;
use crate::{
    harness::{Harness, webhook},
    processes::run,
};

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn with_the_broker_away_webhooks_are_accepted_and_processed_when_it_is_back() {
    let postgres = postgres::Server::start(postgres::Options::default())
        .await
        .unwrap();
    let mut broker = rabbitmq::Server::start(rabbitmq::Options::default())
        .await
        .unwrap();
    let mut harness = Harness::on(&postgres.url("postgres"), &broker.amqp_url()).await;
    let ended = run(
        harness.folder.path(),
        &["migrate", "up"],
        &harness.environment,
    )
    .await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let api = harness.start("api").await.url();
    harness.start("consumer").await;
    harness
        .send_all(&api, (0..200).map(|i| format!("before{i}")))
        .await;
    // Freshly declared quorum queues reach the disk a little later than their messages.
    broker.flush_declarations().await.unwrap();
    let load = harness.send_all(&api, (0..2000).map(|i| format!("while{i}")));
    let outage = async {
        broker.kill().await.unwrap();
        harness
            .send_all(&api, (0..500).map(|i| format!("without{i}")))
            .await;
        broker.start_again().await.unwrap();
    };
    tokio::join!(load, outage);
    harness.send(&api, "after").await;
    harness.processed(&api, "after").await;
    harness.settled().await;
    assert_eq!(harness.rows().await, 2701);
    drop(harness);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn with_the_database_away_webhooks_are_refused_at_once_and_accepted_when_it_is_back() {
    let mut postgres = postgres::Server::start(postgres::Options::default())
        .await
        .unwrap();
    let mut harness = Harness::on(&postgres.url("postgres"), "unused").await;
    harness.environment.remove("AMQP_URL");
    let api = harness.start("").await.url();
    harness.send(&api, "before").await;
    postgres.kill().await.unwrap();
    for i in 0..20 {
        let sent = Instant::now();
        let body = webhook(&format!("without{i}")).to_string();
        let response = harness.post(&api, body).await;
        assert_eq!(response.status(), 503);
        let seconds = response.headers()["retry-after"].to_str().unwrap();
        assert!(["1", "2", "3", "5"].contains(&seconds), "{seconds}");
        assert!(
            sent.elapsed() < Duration::from_millis(1500),
            "{:?}",
            sent.elapsed()
        );
    }
    let ready = harness.get(&format!("{api}/readyz")).await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("\"database\""));
    postgres.start_again().await.unwrap();
    let after = webhook("after").to_string();
    let accepted = async || harness.post(&api, after.clone()).await.status() == 202;
    until(accepted, || "the database is back and not used".into()).await;
    harness.processed(&api, "after").await;
    harness.processed(&api, "before").await;
    drop(harness);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn tls_to_both_with_a_certificate_authority_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::generate(folder.path()).unwrap();
    let options = postgres::Options {
        tls: Some(certificates.clone()),
        ..postgres::Options::default()
    };
    let postgres = postgres::Server::start(options).await.unwrap();
    let options = rabbitmq::Options {
        tls: Some(certificates.clone()),
    };
    let broker = rabbitmq::Server::start(options).await.unwrap();
    let mut harness = Harness::on(&postgres.url("postgres"), &broker.amqp_url()).await;
    let plain = harness.environment["DATABASE_URL"].replace("127.0.0.1", "localhost");
    let ca = certificates.ca.display().to_string();
    let amqps = broker.amqps_url().unwrap();

    // Whom we were not told to trust we do not trust.
    let mut strangers = harness.environment.clone();
    strangers.insert("DATABASE_URL", format!("{plain}?sslmode=verify-full"));
    let ended = run(harness.folder.path(), &["migrate", "up"], &strangers).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("DATABASE_URL"), "{}", ended.stderr);

    let amqp = harness.environment.insert("AMQP_URL", amqps).unwrap();
    harness.environment.insert("AMQP_CA_FILE", ca.clone());
    for parameters in [
        "sslmode=require".to_owned(),
        format!("sslmode=verify-full&sslrootcert={ca}"),
    ] {
        harness
            .environment
            .insert("DATABASE_URL", format!("{plain}?{parameters}"));
        let process = harness.process("").await;
        let id = parameters.split('&').next().unwrap();
        harness.send(&process.url(), id).await;
        harness.processed(&process.url(), id).await;
        let ready = harness.get(&format!("{}/readyz", process.url())).await;
        assert_eq!(ready.status(), 200);
        process.kill().await;
    }
    // The harness looks at what is left without TLS.
    harness.environment.insert("AMQP_URL", amqp);
    harness.environment.insert("DATABASE_URL", plain);
    harness.environment.remove("AMQP_CA_FILE");
    harness.start("").await;
    harness.settled().await;
    drop(harness);
}

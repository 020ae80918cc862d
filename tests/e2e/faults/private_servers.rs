//! Servers of the test's own go away and come back, or want TLS.

use std::time::{Duration, Instant};

use testbed::{postgres, rabbitmq, tls::Certificates};

use super::until;
use crate::{
    house::{House, webhook},
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
    let mut house = House::on(&postgres.url("postgres"), &broker.amqp_url()).await;
    let ended = run(house.folder.path(), &["migrate", "up"], &house.environment).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let api = house.start("api").await.url();
    house.start("consumer").await;
    house
        .send_all(&api, (0..200).map(|i| format!("before{i}")))
        .await;
    // Freshly declared quorum queues reach the disk a little later than their messages.
    broker.flush_declarations().await.unwrap();
    let load = house.send_all(&api, (0..2000).map(|i| format!("while{i}")));
    let outage = async {
        broker.kill().await.unwrap();
        house
            .send_all(&api, (0..500).map(|i| format!("without{i}")))
            .await;
        broker.start_again().await.unwrap();
    };
    tokio::join!(load, outage);
    house.send(&api, "after").await;
    house.processed(&api, "after").await;
    house.settled().await;
    assert_eq!(house.rows().await, 2701);
    drop(house);
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn with_the_database_away_webhooks_are_refused_at_once_and_accepted_when_it_is_back() {
    let mut postgres = postgres::Server::start(postgres::Options::default())
        .await
        .unwrap();
    let mut house = House::on(&postgres.url("postgres"), "unused").await;
    house.environment.remove("AMQP_URL");
    let api = house.start("").await.url();
    house.send(&api, "before").await;
    postgres.kill().await.unwrap();
    for i in 0..20 {
        let sent = Instant::now();
        let body = webhook(&format!("without{i}")).to_string();
        let response = house.post(&api, body).await;
        assert_eq!(response.status(), 503);
        let seconds = response.headers()["retry-after"].to_str().unwrap();
        assert!(["1", "2", "3", "5"].contains(&seconds), "{seconds}");
        assert!(
            sent.elapsed() < Duration::from_millis(1500),
            "{:?}",
            sent.elapsed()
        );
    }
    let ready = house.get(&format!("{api}/readyz")).await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("\"database\""));
    postgres.start_again().await.unwrap();
    let after = webhook("after").to_string();
    let accepted = async || house.post(&api, after.clone()).await.status() == 202;
    until(accepted, || "the database is back and not used".into()).await;
    house.processed(&api, "after").await;
    house.processed(&api, "before").await;
    drop(house);
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
    let mut house = House::on(&postgres.url("postgres"), &broker.amqp_url()).await;
    let plain = house.environment["DATABASE_URL"].replace("127.0.0.1", "localhost");
    let ca = certificates.ca.display().to_string();
    let amqps = broker.amqps_url().unwrap();

    // Whom we were not told to trust we do not trust.
    let mut strangers = house.environment.clone();
    strangers.insert("DATABASE_URL", format!("{plain}?sslmode=verify-full"));
    let ended = run(house.folder.path(), &["migrate", "up"], &strangers).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("DATABASE_URL"), "{}", ended.stderr);

    let amqp = house.environment.insert("AMQP_URL", amqps).unwrap();
    house.environment.insert("AMQP_CA_FILE", ca.clone());
    for parameters in [
        "sslmode=require".to_owned(),
        format!("sslmode=verify-full&sslrootcert={ca}"),
    ] {
        house
            .environment
            .insert("DATABASE_URL", format!("{plain}?{parameters}"));
        let process = house.process("").await;
        let id = parameters.split('&').next().unwrap();
        house.send(&process.url(), id).await;
        house.processed(&process.url(), id).await;
        let ready = house.get(&format!("{}/readyz", process.url())).await;
        assert_eq!(ready.status(), 200);
        process.kill().await;
    }
    // The harness looks at what is left without TLS.
    house.environment.insert("AMQP_URL", amqp);
    house.environment.insert("DATABASE_URL", plain);
    house.environment.remove("AMQP_CA_FILE");
    house.start("").await;
    house.settled().await;
    drop(house);
}

//! A process is told to stop.

use rustix::process::Signal;

use super::{fifty_in_flight, until_logged};
use crate::{
    harness::Harness,
    processes::{Process, SOON},
};

/// Stops with work in flight: exit 0, soon, and nothing lost.
async fn stops_in_order(mut process: Process) {
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0), "{}", process.log());
    assert!(process.log().contains("stopped"), "{}", process.log());
}

#[tokio::test]
async fn a_signal_stops_the_embedded_service_and_loses_nothing() {
    let mut harness = Harness::embedded();
    harness.environment.insert("PROCESSING_DELAY", "30s".into());
    let first = harness.process("").await;
    harness
        .send_all(&first.url(), (0..50).map(|i| format!("t{i}")))
        .await;
    stops_in_order(first).await;
    harness.environment.insert("PROCESSING_DELAY", "0s".into());
    harness.start("").await;
    harness.settled().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_signal_hands_a_consumers_work_back_to_the_queue() {
    let mut harness = Harness::migrated().await;
    let (_, first) = fifty_in_flight(&mut harness, "30s").await;
    stops_in_order(first).await;
    assert_eq!(harness.queue().unwrap().depth().await.unwrap().ready, 50);
    harness.environment.insert("PROCESSING_DELAY", "0s".into());
    harness.start("consumer").await;
    harness.settled().await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    use tokio::io::AsyncWriteExt;
    let harness = Harness::embedded();
    let mut process = harness.process("").await;
    // A request that never ends keeps the first stop waiting.
    let address = process.url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = b"POST /v1/webhooks/transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    harness.get(&format!("{}/healthz", process.url())).await;
    process.signal(Signal::TERM);
    until_logged(&process, "stopping").await;
    process.signal(Signal::INT);
    assert_eq!(process.ended().await, Some(130));
}

#[tokio::test]
async fn a_signal_during_the_start_is_an_orderly_stop() {
    let mut harness = Harness::embedded();
    // A database that lets everybody in and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://x@{}/x", silent.local_addr().unwrap());
    harness.environment.insert("DATABASE_URL", url);
    let mut process = Process::begin(harness.folder.path(), &harness.environment);
    let _held = tokio::time::timeout(SOON, silent.accept()).await.unwrap();
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0));
    // `Harness` would look into that database.
    harness.environment.remove("DATABASE_URL");
}

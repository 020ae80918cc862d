//! Where `AMQP_URL` leads, and what a broker that is not as it should be does to a start.

use std::time::Duration;

use reqwest::StatusCode;
use testbed::rabbitmq;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use crate::{
    faults::{until, until_logged},
    harness::Harness,
    processes::{Process, SOON},
};

/// How long a broker is waited for that should not be connected to: the process tries at once.
const A_WHILE: Duration = Duration::from_secs(2);

/// A service on a SQLite file with this broker. It is this test's to end: what it accepts may stay unprocessed.
async fn with_broker(url: String) -> (Harness, Process) {
    let mut harness = Harness::embedded();
    harness.environment.insert("AMQP_URL", url);
    let process = harness.process("").await;
    // `Harness` would look for the queue there.
    harness.environment.remove("AMQP_URL");
    (harness, process)
}

async fn accept(broker: &TcpListener) -> TcpStream {
    let connection = tokio::time::timeout(SOON, broker.accept()).await;
    connection.expect("it does not connect").unwrap().0
}

#[tokio::test]
async fn an_ipv6_address_is_that_host_and_not_this_one() {
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = here.local_addr().unwrap().port();
    let url = format!("amqp://user:s3cret@[2001:db8::1]:{port}/%2f");
    let (_harness, process) = with_broker(url).await;
    let came = tokio::time::timeout(A_WHILE, here.accept()).await;
    assert!(came.is_err(), "it has connected to localhost");
    process.kill().await;

    if let Ok(loopback) = TcpListener::bind("[::1]:0").await {
        let port = loopback.local_addr().unwrap().port();
        let (_harness, process) = with_broker(format!("amqp://[::1]:{port}/%2f")).await;
        let mut header = [0; 8];
        accept(&loopback)
            .await
            .read_exact(&mut header)
            .await
            .unwrap();
        assert_eq!(&header, b"AMQP\0\0\x09\x01");
        process.kill().await;
    }
}

#[tokio::test]
async fn webhooks_are_accepted_before_the_broker_has_answered() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://user:s3cret@{}", silent.local_addr().unwrap());
    let (harness, process) = with_broker(url).await;
    let _held = accept(&silent).await;
    harness.send(&process.url(), "t1").await;
    let ready = harness.get(&format!("{}/readyz", process.url())).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().await.unwrap().contains("\"queue\""));
    until_logged(&process, "the broker does not answer").await;
    let log = process.log();
    assert!(
        log.find("listening on") < log.find("the broker does not answer"),
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
    process.kill().await;
}

#[tokio::test]
#[ignore = "starts a private server: run scripts/test"]
async fn a_refusal_is_told_from_an_absence_and_may_end() {
    let broker = rabbitmq::Server::start(rabbitmq::Options::default())
        .await
        .unwrap();
    let place = broker
        .amqp_url()
        .replace("guest:guest@", "")
        .replace("/%2f", "")
        .replace("amqp://", "");
    for command in [
        &["add_user", "clerk", "right"][..],
        &["set_permissions", "clerk", "^$", "^$", "^$"],
        &["add_vhost", "closed"],
    ] {
        broker.control(command).await.unwrap();
    }
    for (url, sentence) in [
        (
            format!("amqp://guest:guest@{place}/nowhere"),
            "refuses the virtual host",
        ),
        (
            format!("amqp://clerk:right@{place}/closed"),
            "refuses the virtual host",
        ),
        (format!("amqp://clerk:right@{place}/"), "refuses the queue"),
        (
            format!("amqp://nobody:s3cret@{place}/"),
            "refuses the login",
        ),
    ] {
        let (_harness, process) = with_broker(url).await;
        until_logged(&process, sentence).await;
        assert!(
            !process.log().contains("does not answer"),
            "{}",
            process.log()
        );
        process.kill().await;
    }

    let mut harness = Harness::embedded();
    harness.environment.insert("AMQP_QUEUE", "test".into());
    harness
        .environment
        .insert("AMQP_URL", format!("amqp://clerk:s3cret@{place}/"));
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    let readyz = format!("{api}/readyz");
    let said = async || {
        harness
            .get(&readyz)
            .await
            .text()
            .await
            .unwrap()
            .contains("the broker refuses the login")
    };
    until(said, || "readyz does not say why".into()).await;
    broker
        .control(&["set_permissions", "clerk", ".*", ".*", ".*"])
        .await
        .unwrap();
    broker
        .control(&["change_password", "clerk", "s3cret"])
        .await
        .unwrap();
    harness.processed(&api, "t1").await;
    let log = harness.running_log();
    // The relay's, the consumer's and the start's attempts, several of each.
    assert_eq!(log.matches("refuses the login").count(), 1, "{log}");
    assert!(!log.contains("s3cret") && !log.contains("lost"), "{log}");
    drop(harness);
}

#[tokio::test]
#[ignore = "starts a private server: run scripts/test"]
async fn a_slash_at_the_end_is_the_usual_virtual_host_and_parameters_switch_nothing_off() {
    let broker = rabbitmq::Server::start(rabbitmq::Options::default())
        .await
        .unwrap();
    let mut harness = Harness::embedded();
    harness.environment.insert("AMQP_QUEUE", "test".into());
    let url = broker
        .amqp_url()
        .replace("/%2f", "/?heartbeat=0&spam=s3cret");
    harness.environment.insert("AMQP_URL", url);
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
    let connections = broker
        .control(&["-q", "list_connections", "vhost", "timeout"])
        .await
        .unwrap();
    let (_, connections) = connections.split_once('\n').unwrap();
    assert!(connections.lines().count() >= 2, "{connections}");
    assert!(
        connections.lines().all(|connection| connection == "/\t5"),
        "{connections}"
    );
    let log = harness.running_log();
    assert_eq!(
        log.matches("AMQP_URL: heartbeat is 5 s").count(),
        1,
        "{log}"
    );
    assert_eq!(
        log.matches("AMQP_URL: the parameter spam is not known")
            .count(),
        1,
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
    drop(harness);
}

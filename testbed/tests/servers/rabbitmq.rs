use lapin::{
    Connection, ConnectionProperties,
    options::QueueDeclareOptions,
    tcp::OwnedTLSConfig,
    types::{AMQPValue, FieldTable},
};
use testbed::{
    rabbitmq::{Options, Server, delete_queue, get_message, message_count, publish},
    tls::Certificates,
};

const QUEUE: &str = "a/quorum queue";

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn a_confirmed_message_survives_a_crash_and_a_stop() {
    let mut server = Server::start(Options::default()).await.unwrap();
    let url = server.amqp_url();
    declare_quorum_queue(&url).await;
    server.flush_declarations().await.unwrap();
    publish(&url, QUEUE, b"first").await.unwrap();
    publish(&url, QUEUE, b"second").await.unwrap();
    let unroutable = publish(&url, "no such queue", b"lost").await.unwrap_err();
    let unroutable = unroutable.to_string();
    assert!(unroutable.contains("there is no queue"), "{unroutable}");

    server.kill().await.unwrap();
    assert!(message_count(&url, QUEUE).await.is_err());
    server.start_again().await.unwrap();
    assert_eq!(message_count(&url, QUEUE).await.unwrap(), 2);
    assert_eq!(take(&url).await.as_deref(), Some("first"));

    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    assert_eq!(message_count(&url, QUEUE).await.unwrap(), 1);
    assert_eq!(take(&url).await.as_deref(), Some("second"));
    assert_eq!(take(&url).await, None);
    delete_queue(&url, QUEUE).await.unwrap();
    delete_queue(&url, QUEUE).await.unwrap();
    assert!(message_count(&url, QUEUE).await.is_err());
}

#[tokio::test]
#[ignore = "starts private servers: run scripts/test"]
async fn a_client_that_trusts_the_authority_connects_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::generate(folder.path()).unwrap();
    let server = Server::start(Options {
        tls: Some(certificates.clone()),
    })
    .await
    .unwrap();
    let url = server.amqps_url().unwrap();

    let trusting = std::fs::read_to_string(&certificates.ca).unwrap();
    let trusting = connect(&url, Some(trusting)).await.unwrap();
    trusting.create_channel().await.unwrap();
    assert!(connect(&url, None).await.is_err());
    connect(&server.amqp_url(), None).await.unwrap();
}

async fn connect(url: &str, ca: Option<String>) -> lapin::Result<Connection> {
    let tls = OwnedTLSConfig {
        identity: None,
        cert_chain: ca,
    };
    let runtime = lapin::runtime::default_runtime()?;
    Connection::connect_with_config(url, ConnectionProperties::default(), tls, runtime).await
}

async fn declare_quorum_queue(url: &str) {
    let connection = connect(url, None).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    let quorum = AMQPValue::LongString("quorum".into());
    arguments.insert("x-queue-type".into(), quorum);
    let declared = channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments);
    declared.await.unwrap();
}

/// The body of the first message, which has no id.
async fn take(url: &str) -> Option<String> {
    let message = get_message(url, QUEUE).await.unwrap()?;
    assert_eq!(message.message_id, None);
    Some(message.body)
}

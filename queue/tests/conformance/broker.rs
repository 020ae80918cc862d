//! What only a broker can do to us.

use std::{collections::HashSet, time::Duration};

use queue::{Confirmed, Error, Queue, Settlement, amqp};
use testbed::{queues, rabbitmq};
use uuid::Uuid;

use crate::{confirmed, ids, ids_of, nothing, publish, settle, soon, take, until_depth};

/// A queue of one's own on the tests' broker.
pub(super) struct Broker {
    url: String,
    name: String,
}

impl Broker {
    pub(super) fn new() -> Self {
        Self::at(testbed::given::rabbitmq().unwrap())
    }

    pub(super) fn at(url: String) -> Self {
        let name = format!("test-{}", Uuid::now_v7());
        Self { url, name }
    }

    /// The same queue by another way.
    pub(super) fn with_url(&self, url: String) -> Self {
        let name = self.name.clone();
        Self { url, name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn queue(&self) -> Queue {
        let settings = amqp::Settings {
            url: self.url.clone(),
            ca: None,
            queue: self.name.clone(),
            process: "test".into(),
        };
        Queue::Amqp(amqp::Broker::new(settings).unwrap())
    }

    pub(super) async fn clear(&self) {
        queues::delete_all(&self.url, &self.name).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_message_that_is_no_id_becomes_a_dead_letter_and_harms_nothing() {
    let broker = Broker::new();
    let queue = broker.queue();
    queue.declare().await.unwrap();
    for body in [&b""[..], b"no id", b"\xff\xfe", &[b'x'; 100_000]] {
        rabbitmq::publish(&broker.url, &broker.name, body)
            .await
            .unwrap();
    }
    let ids = ids(1);
    publish(&queue, &ids).await;
    let mut deliveries = queue.deliveries(10);
    let taken = take(&mut deliveries, 1).await;
    assert_eq!(ids_of(&taken), ids);
    settle(&mut deliveries, taken, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 4).await;
    broker.clear().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_message_can_be_read_in_the_console() {
    let broker = Broker::new();
    let ids = ids(1);
    publish(&broker.queue(), &ids).await;
    let message = rabbitmq::get_message(&broker.url, &broker.name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(message.body, ids[0].to_string());
    assert_eq!(message.message_id, Some(ids[0].to_string()));
    broker.clear().await;
}

/// A channel's prefetch is at most 65,535.
#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_consumer_that_may_hold_more_than_one_channel_opens_another_when_it_needs_it() {
    let broker = Broker::new();
    let queue = broker.queue();
    let subscribed = async || {
        let count = rabbitmq::consumer_count(&broker.url, &broker.name).await;
        count.unwrap()
    };
    let wanted = ids(66_000);
    queue.declare().await.unwrap();
    let mut deliveries = queue.deliveries(70_000);
    publish(&queue, &wanted[..10]).await;
    let mut taken = take(&mut deliveries, 10).await;
    assert_eq!(subscribed().await, 1);
    publish(&queue, &wanted[10..]).await;
    taken.extend(take(&mut deliveries, wanted.len() - 10).await);
    assert_eq!(subscribed().await, 2);
    let seen: HashSet<Uuid> = ids_of(&taken).into_iter().collect();
    assert_eq!(seen, wanted.into_iter().collect());
    settle(&mut deliveries, taken, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
    broker.clear().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_queue_with_other_arguments_is_a_clear_error() {
    let broker = Broker::new();
    let dead_letter = queues::dead_letter(&broker.name);
    // Declared from the other name, the dead-letter queue of one is the queue of the other.
    let other = Broker {
        name: dead_letter,
        url: broker.url.clone(),
    };
    other.queue().declare().await.unwrap();
    let error = broker.queue().declare().await.unwrap_err();
    assert!(
        matches!(&error, Error::Mismatch(text) if text.contains("x-delivery-limit") || text.contains("x-dead-letter")),
        "{error}"
    );
    other.clear().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_deleted_queue_is_declared_again() {
    let broker = Broker::new();
    let queue = broker.queue();
    queue.declare().await.unwrap();
    let mut deliveries = queue.deliveries(10);
    let mut publisher = queue.publisher().await.unwrap();
    publisher.publish(&ids(1)).await.unwrap();
    drop(take(&mut deliveries, 1).await);
    rabbitmq::delete_queue(&broker.url, &broker.name)
        .await
        .unwrap();
    // What the relay does: it notices, waits a moment, and comes back.
    let wanted = ids(1);
    publisher.publish(&wanted).await.unwrap();
    while soon(publisher.confirmed())
        .await
        .is_ok_and(|confirmed| confirmed.refused.is_empty())
    {}
    drop(publisher);
    tokio::time::sleep(queue::Backoff::new().next_wait()).await;
    insist(&queue, wanted[0]).await;
    let taken = take(&mut deliveries, 1).await;
    assert_eq!(ids_of(&taken), wanted);
    settle(&mut deliveries, taken, Settlement::Ack).await;
    deliveries.close().await;
    broker.clear().await;
}

/// Publishes one id as the relay does, which tries again: while publisher and consumer both declare the queue, RabbitMQ may
/// refuse it.
async fn insist(queue: &Queue, id: Uuid) {
    soon(async {
        loop {
            let mut publisher = queue.publisher().await.unwrap();
            publisher.publish(&[id]).await.unwrap();
            match publisher.confirmed().await {
                Ok(Confirmed { acked, refused }) if refused.is_empty() => {
                    return assert_eq!(acked, [id]);
                }
                Ok(_) | Err(Error::Gone(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
}

/// RabbitMQ 3.10 can attach the consumer of a deleted queue to one that is declared at once under
/// the same name, and then lose count of its deliveries.
#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_consumer_that_the_broker_forgets_comes_back() {
    let broker = Broker::new();
    let queue = broker.queue();
    queue.declare().await.unwrap();
    let mut deliveries = queue.deliveries(3);
    publish(&queue, &ids(1)).await;
    drop(take(&mut deliveries, 1).await);
    rabbitmq::delete_queue(&broker.url, &broker.name)
        .await
        .unwrap();
    let wanted = ids(10);
    insist(&queue, wanted[0]).await;
    publish(&queue, &wanted[1..]).await;
    let mut seen = HashSet::new();
    while seen.len() < wanted.len() {
        let batch = soon(deliveries.next()).await;
        seen.extend(ids_of(&batch));
        settle(&mut deliveries, batch, Settlement::Ack).await;
    }
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
    broker.clear().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn an_unroutable_message_is_not_confirmed() {
    let broker = Broker::new();
    let queue = broker.queue();
    let mut publisher = queue.publisher().await.unwrap();
    rabbitmq::delete_queue(&broker.url, &broker.name)
        .await
        .unwrap();
    publisher.publish(&ids(1)).await.unwrap();
    let error = soon(publisher.confirmed()).await.unwrap_err();
    assert!(matches!(error, Error::Gone(_)), "{error}");
    queue.declare().await.unwrap();
    broker.clear().await;
}

/// Nobody listens at port 1.
#[tokio::test]
async fn an_unsubscribed_consumer_misses_no_broker() {
    let queue = Broker::at("amqp://guest:guest@127.0.0.1:1/%2f".into()).queue();
    let until = async |up: bool| {
        soon(async {
            while queue.is_up() != up {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    };
    let mut deliveries = queue.deliveries(1);
    until(false).await;
    deliveries.subscribe(0);
    until(true).await;
    deliveries.subscribe(1);
    until(false).await;
    deliveries.close().await;
}

#[tokio::test]
async fn an_address_that_cannot_work_is_refused_without_its_password() {
    let settings = amqp::Settings {
        url: "amqp://user:secret@[nonsense".into(),
        ca: None,
        queue: "q".into(),
        process: "test".into(),
    };
    let error = amqp::Broker::new(settings).err().unwrap();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn whoever_has_to_create_the_queue_is_told_so_once() {
    let broker = Broker::new();
    let queue = broker.queue();
    let first = queue.publisher().await.unwrap();
    assert!(first.queue_is_new());
    let second = queue.publisher().await.unwrap();
    assert!(!second.queue_is_new());
    drop((first, second));
    let mut deliveries = queue.deliveries(1);
    publish(&queue, &ids(1)).await;
    drop(take(&mut deliveries, 1).await);
    assert!(!deliveries.queue_was_created());
    rabbitmq::delete_queue(&broker.url, &broker.name)
        .await
        .unwrap();
    // The consumer has been cancelled, and nobody else declares the queue.
    soon(async {
        while !deliveries.queue_was_created() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(!deliveries.queue_was_created());
    assert!(!queue.publisher().await.unwrap().queue_is_new());
    deliveries.close().await;
    broker.clear().await;
}

/// A deployment from before there was such a queue, with a user whose rights end at the names of then, or with something
/// else of that name.
#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn a_publisher_works_where_it_cannot_have_the_queue_of_the_returned() {
    let broker = Broker::new();
    let other = Broker {
        name: queues::returned(&broker.name),
        url: broker.url.clone(),
    };
    other.queue().declare().await.unwrap();
    let queue = broker.queue();
    let mut publisher = queue.publisher().await.unwrap();
    let wanted = ids(1);
    publisher.publish(&wanted).await.unwrap();
    assert_eq!(confirmed(&mut publisher, 1).await, wanted);
    nothing(publisher.event()).await;
    assert!(queue.is_up());
    drop(publisher);
    other.clear().await;
    broker.clear().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn an_unsubscribed_consumer_has_no_consumer_at_the_broker() {
    let broker = Broker::new();
    let queue = broker.queue();
    queue.declare().await.unwrap();
    let mut deliveries = queue.deliveries(5);
    publish(&queue, &ids(5)).await;
    drop(take(&mut deliveries, 5).await);
    let consumers = async || {
        let count = rabbitmq::consumer_count(&broker.url, &broker.name).await;
        count.unwrap()
    };
    assert_eq!(consumers().await, 1);
    deliveries.subscribe(0);
    until_depth(&queue, 5, 0).await;
    assert_eq!(consumers().await, 0);
    deliveries.subscribe(2);
    drop(take(&mut deliveries, 2).await);
    assert_eq!(consumers().await, 1);
    deliveries.close().await;
    broker.clear().await;
}

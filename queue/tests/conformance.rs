//! One suite, held against both backends: what a consumer and a relay may rely on.

#![cfg(test)]

use std::{collections::HashSet, time::Duration};

use queue::{Deliveries, Delivery, Depth, Publisher, Queue, Settlement, memory};
use uuid::Uuid;

/// Long enough for a broker on a busy machine; a test that meets it fails.
const SOON: Duration = Duration::from_secs(20);

/// Runs a test body on both backends, each time on a queue of its own.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod inside_the_process {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Queue::Memory(super::memory::Queue::new())).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            #[ignore = "needs RabbitMQ: run scripts/test"]
            async fn $name() {
                let broker = super::broker::Broker::new();
                super::$name(broker.queue()).await;
                broker.clear().await;
            })*
        }
    };
}

on_both! {
    what_is_published_is_delivered_once_and_in_order
    an_ack_ends_a_message_and_a_requeue_brings_it_back
    a_rejected_message_becomes_a_dead_letter
    no_more_is_delivered_than_the_prefetch_allows
    what_a_consumer_leaves_unsettled_is_delivered_again
    what_was_settled_before_closing_stays_settled
    a_message_delivered_too_often_becomes_a_dead_letter
    thousands_of_messages_pass
    two_consumers_share_the_work
    acks_out_of_order_end_every_message
}

fn ids(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| Uuid::now_v7()).collect()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future)
        .await
        .expect("took too long")
}

async fn publish(queue: &Queue, ids: &[Uuid]) {
    let mut publisher = queue.publisher().await.unwrap();
    publisher.publish(ids).await.unwrap();
    assert_eq!(confirmed(&mut publisher, ids.len()).await, ids);
    assert_eq!(publisher.unconfirmed(), 0);
}

async fn confirmed(publisher: &mut Publisher, count: usize) -> Vec<Uuid> {
    let mut confirmed = Vec::new();
    while confirmed.len() < count {
        confirmed.extend(soon(publisher.confirmed()).await.unwrap());
    }
    confirmed
}

/// The next `count` deliveries.
async fn take(deliveries: &mut Deliveries, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(soon(deliveries.next()).await);
    }
    assert_eq!(taken.len(), count);
    taken
}

fn ids_of(deliveries: &[Delivery]) -> Vec<Uuid> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

async fn settle(deliveries: &mut Deliveries, taken: Vec<Delivery>, settlement: Settlement) {
    let settled = taken.into_iter().map(|delivery| (delivery, settlement));
    deliveries.settle(settled.collect()).await;
}

/// Waits until the queue holds so much.
async fn until_depth(queue: &Queue, ready: usize, dead: usize) {
    let wanted = Depth { ready, dead };
    let mut depth = Depth::default();
    let reached = tokio::time::timeout(SOON, async {
        loop {
            depth = queue.depth().await.unwrap();
            if depth == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(reached.is_ok(), "{depth:?} instead of {wanted:?}");
}

async fn what_is_published_is_delivered_once_and_in_order(queue: Queue) {
    queue.declare().await.unwrap();
    queue.declare().await.unwrap();
    let ids = ids(100);
    publish(&queue, &ids).await;
    let mut deliveries = queue.deliveries(1000);
    let taken = take(&mut deliveries, 100).await;
    assert_eq!(ids_of(&taken), ids);
    assert!(taken.iter().all(|delivery| !delivery.redelivered));
    settle(&mut deliveries, taken, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn an_ack_ends_a_message_and_a_requeue_brings_it_back(queue: Queue) {
    let ids = ids(2);
    publish(&queue, &ids).await;
    let mut deliveries = queue.deliveries(10);
    let mut taken = take(&mut deliveries, 2).await;
    settle(&mut deliveries, vec![taken.remove(0)], Settlement::Ack).await;
    settle(&mut deliveries, taken, Settlement::Requeue).await;
    let again = take(&mut deliveries, 1).await;
    assert_eq!(again[0].id, ids[1]);
    assert!(again[0].redelivered);
    settle(&mut deliveries, again, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn a_rejected_message_becomes_a_dead_letter(queue: Queue) {
    publish(&queue, &ids(3)).await;
    let mut deliveries = queue.deliveries(10);
    let mut taken = take(&mut deliveries, 3).await;
    settle(
        &mut deliveries,
        vec![taken.remove(1)],
        Settlement::DeadLetter,
    )
    .await;
    settle(&mut deliveries, taken, Settlement::Ack).await;
    until_depth(&queue, 0, 1).await;
    deliveries.close().await;
    until_depth(&queue, 0, 1).await;
}

async fn no_more_is_delivered_than_the_prefetch_allows(queue: Queue) {
    let ids = ids(10);
    publish(&queue, &ids).await;
    let mut deliveries = queue.deliveries(4);
    let first = take(&mut deliveries, 4).await;
    until_depth(&queue, 6, 0).await;
    let more = tokio::time::timeout(Duration::from_millis(200), deliveries.next()).await;
    assert!(more.is_err(), "{more:?}");
    settle(&mut deliveries, first, Settlement::Ack).await;
    let second = take(&mut deliveries, 4).await;
    assert_eq!(ids_of(&second), ids[4..8]);
    deliveries.close().await;
    until_depth(&queue, 6, 0).await;
}

async fn what_a_consumer_leaves_unsettled_is_delivered_again(queue: Queue) {
    let ids = ids(5);
    publish(&queue, &ids).await;
    let mut gone = queue.deliveries(10);
    let taken = take(&mut gone, 5).await;
    drop((taken, gone));
    let mut deliveries = queue.deliveries(10);
    let again = take(&mut deliveries, 5).await;
    assert_eq!(ids_of(&again), ids);
    assert!(again.iter().all(|delivery| delivery.redelivered));
    settle(&mut deliveries, again, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn what_was_settled_before_closing_stays_settled(queue: Queue) {
    publish(&queue, &ids(1000)).await;
    let mut deliveries = queue.deliveries(2000);
    let mut taken = take(&mut deliveries, 1000).await;
    let rest = taken.split_off(700);
    settle(&mut deliveries, taken, Settlement::Ack).await;
    drop(rest);
    deliveries.close().await;
    until_depth(&queue, 300, 0).await;
}

async fn a_message_delivered_too_often_becomes_a_dead_letter(queue: Queue) {
    publish(&queue, &ids(1)).await;
    let mut deliveries = queue.deliveries(1);
    let mut count = 0;
    while queue.depth().await.unwrap().dead == 0 {
        // After the last requeue nothing comes: then only the count is looked at again.
        let next = tokio::time::timeout(Duration::from_millis(500), deliveries.next()).await;
        if let Ok(taken) = next {
            count += taken.len();
            settle(&mut deliveries, taken, Settlement::Requeue).await;
        }
        assert!(count < 100, "delivered {count} times");
    }
    assert_eq!(count, 51);
    deliveries.close().await;
    until_depth(&queue, 0, 1).await;
}

async fn thousands_of_messages_pass(queue: Queue) {
    let ids = ids(20_000);
    let mut deliveries = queue.deliveries(100_000);
    let mut publisher = queue.publisher().await.unwrap();
    for part in ids.chunks(5000) {
        publisher.publish(part).await.unwrap();
    }
    confirmed(&mut publisher, ids.len()).await;
    assert!(queue.is_up());
    let mut seen = HashSet::new();
    while seen.len() < ids.len() {
        let batch = soon(deliveries.next()).await;
        seen.extend(ids_of(&batch));
        settle(&mut deliveries, batch, Settlement::Ack).await;
    }
    assert_eq!(seen, ids.into_iter().collect());
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn two_consumers_share_the_work(queue: Queue) {
    let ids = ids(20);
    let (mut one, mut two) = (queue.deliveries(10), queue.deliveries(10));
    publish(&queue, &ids).await;
    let (first, second) = (take(&mut one, 10).await, take(&mut two, 10).await);
    let mut all = [ids_of(&first), ids_of(&second)].concat();
    all.sort();
    assert_eq!(all, ids);
    settle(&mut one, first, Settlement::Ack).await;
    settle(&mut two, second, Settlement::Ack).await;
    one.close().await;
    two.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn acks_out_of_order_end_every_message(queue: Queue) {
    publish(&queue, &ids(3000)).await;
    let mut deliveries = queue.deliveries(3000);
    let mut taken = take(&mut deliveries, 3000).await;
    let first = taken.remove(0);
    taken.reverse();
    settle(&mut deliveries, taken, Settlement::Ack).await;
    settle(&mut deliveries, vec![first], Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

/// What only a broker can do to us.
mod broker {
    use lab::rabbitmq;
    use queue::{Error, amqp};

    use super::*;

    /// A queue of one's own on the tests' broker.
    pub(super) struct Broker {
        url: String,
        name: String,
    }

    impl Broker {
        pub(super) fn new() -> Self {
            Self {
                url: lab::given::rabbitmq().unwrap(),
                name: format!("test-{}", Uuid::now_v7()),
            }
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
            for name in [self.name.clone(), format!("{}.dead-letter", self.name)] {
                rabbitmq::delete_queue(&self.url, &name).await.unwrap();
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs RabbitMQ: run scripts/test"]
    async fn a_message_that_is_no_id_becomes_a_dead_letter_and_harms_nothing() {
        let broker = Broker::new();
        let queue = broker.queue();
        queue.declare().await.unwrap();
        for body in [&b""[..], b"no id", b"\xff\xfe", &[b'x'; 100_000]] {
            rabbitmq::publish(&broker.url, &broker.name, &broker.name, body)
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

    #[tokio::test]
    #[ignore = "needs RabbitMQ: run scripts/test"]
    async fn a_queue_with_other_arguments_is_a_clear_error() {
        let broker = Broker::new();
        let dead_letter = format!("{}.dead-letter", broker.name);
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
        while soon(publisher.confirmed()).await.is_ok() {}
        drop(publisher);
        tokio::time::sleep(queue::Backoff::new().next_wait()).await;
        publish(&queue, &wanted).await;
        let taken = take(&mut deliveries, 1).await;
        assert_eq!(ids_of(&taken), wanted);
        settle(&mut deliveries, taken, Settlement::Ack).await;
        deliveries.close().await;
        broker.clear().await;
    }

    /// RabbitMQ 3.10 can attach the consumer of a deleted queue to one that is declared at once under
    /// the same name, and then lose count of its deliveries.
    #[tokio::test]
    #[ignore = "needs RabbitMQ: run scripts/test"]
    async fn a_consumer_that_the_broker_forgets_comes_back() {
        let broker = Broker::new();
        let queue = broker.queue();
        let mut deliveries = queue.deliveries(3);
        publish(&queue, &ids(1)).await;
        drop(take(&mut deliveries, 1).await);
        rabbitmq::delete_queue(&broker.url, &broker.name)
            .await
            .unwrap();
        let wanted = ids(10);
        publish(&queue, &wanted).await;
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
        assert!(matches!(error, Error::Refused(_)), "{error}");
        queue.declare().await.unwrap();
        broker.clear().await;
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
}

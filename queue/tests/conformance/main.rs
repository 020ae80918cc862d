//! One suite, held against both backends: what a consumer and a relay may rely on.

#![cfg(test)]

mod both;
mod broker;
mod policies;
mod returned;
mod subscribing;

use std::time::Duration;

use queue::{Deliveries, Delivery, Depth, Publisher, Queue, Returned, Settlement};
use uuid::Uuid;

/// Long enough for a broker on a busy machine; a test that meets it fails.
const SOON: Duration = Duration::from_secs(20);

/// Runs a test body on both backends, each time on a queue of its own.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod inside_the_process {
            $(#[tokio::test]
            async fn $name() {
                super::$name(queue::Queue::Memory(queue::memory::Queue::new())).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            #[ignore = "needs RabbitMQ: run scripts/test"]
            async fn $name() {
                let broker = crate::broker::Broker::new();
                let queue = broker.queue();
                // Before publisher and consumer do: while two declare it at the same time, RabbitMQ may refuse what is
                // published.
                queue.declare().await.unwrap();
                super::$name(queue).await;
                broker.clear().await;
            })*
        }
    };
}
use on_both;

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
        let answer = soon(publisher.confirmed()).await.unwrap();
        assert!(answer.refused.is_empty(), "{answer:?}");
        confirmed.extend(answer.acked);
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

/// The next `count` returned messages.
async fn returned(publisher: &mut Publisher, count: usize) -> Vec<Returned> {
    let mut returned = Vec::new();
    while returned.len() < count {
        returned.extend(soon(publisher.returned()).await.unwrap());
    }
    assert_eq!(returned.len(), count);
    returned
}

/// Asserts that nothing comes of `future` for a while.
async fn nothing<T: std::fmt::Debug>(future: impl Future<Output = T>) {
    let outcome = tokio::time::timeout(Duration::from_millis(300), future).await;
    assert!(outcome.is_err(), "{outcome:?}");
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

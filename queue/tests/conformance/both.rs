//! What both backends do alike.

use std::{collections::HashSet, time::Duration};

use queue::{Queue, Settlement};

use crate::{confirmed, ids, ids_of, nothing, on_both, publish, settle, soon, take, until_depth};

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
    nothing(deliveries.next()).await;
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

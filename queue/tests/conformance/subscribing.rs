//! A consumer that wants more, less, or nothing: for both backends.

use std::collections::HashSet;

use queue::{Queue, Settlement};
use uuid::Uuid;

use crate::{confirmed, ids, ids_of, nothing, on_both, publish, settle, soon, take, until_depth};

on_both! {
    what_a_consumer_hands_back_by_unsubscribing_is_delivered_to_another
    nothing_that_came_before_unsubscribing_comes_after
    what_was_settled_before_unsubscribing_stays_settled
    what_came_before_unsubscribing_cannot_be_settled_after
    a_consumer_may_start_unsubscribed
    a_larger_prefetch_brings_more_and_a_smaller_one_takes_nothing_away
    a_prefetch_that_changes_all_the_time_is_kept
}

async fn what_a_consumer_hands_back_by_unsubscribing_is_delivered_to_another(queue: Queue) {
    let wanted = ids(2000);
    let mut publisher = queue.publisher().await.unwrap();
    publisher.publish(&wanted).await.unwrap();
    confirmed(&mut publisher, 2000).await;
    let mut sick = queue.deliveries(2000);
    let held = take(&mut sick, 2000).await;
    until_depth(&queue, 0, 0).await;
    sick.subscribe(0);
    until_depth(&queue, 2000, 0).await;
    assert!(queue.is_up());
    let mut well = queue.deliveries(2000);
    let taken = take(&mut well, 2000).await;
    // In any order: RabbitMQ does not keep it for what is handed back together.
    let seen: HashSet<Uuid> = ids_of(&taken).into_iter().collect();
    assert!(seen == wanted.into_iter().collect());
    nothing(sick.next()).await;
    drop(held);
    settle(&mut well, taken, Settlement::Ack).await;
    well.close().await;
    sick.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn nothing_that_came_before_unsubscribing_comes_after(queue: Queue) {
    let wanted = ids(5000);
    publish(&queue, &wanted).await;
    let mut deliveries = queue.deliveries(5000);
    drop(soon(deliveries.next()).await);
    if !queue.is_inside_the_process() {
        // The rest is on its way.
        until_depth(&queue, 0, 0).await;
    }
    deliveries.subscribe(0);
    deliveries.subscribe(5000);
    // If anything came that has gone back as well, it would come twice, and its ack would be void.
    let taken = take(&mut deliveries, 5000).await;
    let seen: HashSet<Uuid> = ids_of(&taken).into_iter().collect();
    assert_eq!(seen, wanted.into_iter().collect());
    nothing(deliveries.next()).await;
    settle(&mut deliveries, taken, Settlement::Ack).await;
    deliveries.subscribe(0);
    until_depth(&queue, 0, 0).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn what_was_settled_before_unsubscribing_stays_settled(queue: Queue) {
    let wanted = ids(10);
    publish(&queue, &wanted).await;
    let mut deliveries = queue.deliveries(10);
    let mut taken = take(&mut deliveries, 10).await;
    let first = taken.remove(0);
    // Their acks wait behind the first, which is still open.
    settle(&mut deliveries, taken, Settlement::Ack).await;
    deliveries.subscribe(0);
    until_depth(&queue, 1, 0).await;
    deliveries.subscribe(10);
    let again = take(&mut deliveries, 1).await;
    assert_eq!(again[0].id, first.id);
    settle(&mut deliveries, again, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

async fn what_came_before_unsubscribing_cannot_be_settled_after(queue: Queue) {
    publish(&queue, &ids(3)).await;
    let mut deliveries = queue.deliveries(3);
    let taken = take(&mut deliveries, 3).await;
    deliveries.subscribe(0);
    settle(&mut deliveries, taken, Settlement::Ack).await;
    until_depth(&queue, 3, 0).await;
    deliveries.close().await;
    until_depth(&queue, 3, 0).await;
}

async fn a_consumer_may_start_unsubscribed(queue: Queue) {
    let wanted = ids(10);
    let mut publisher = queue.publisher().await.unwrap();
    publisher.publish(&wanted).await.unwrap();
    confirmed(&mut publisher, 10).await;
    let mut deliveries = queue.deliveries(0);
    nothing(deliveries.next()).await;
    assert!(queue.is_up());
    until_depth(&queue, 10, 0).await;
    deliveries.subscribe(3);
    let taken = take(&mut deliveries, 3).await;
    nothing(deliveries.next()).await;
    until_depth(&queue, 7, 0).await;
    settle(&mut deliveries, taken, Settlement::Ack).await;
    assert_eq!(
        ids_of(&take(&mut deliveries, 3).await),
        wanted[3..6].to_vec()
    );
    deliveries.close().await;
    until_depth(&queue, 7, 0).await;
}

async fn a_larger_prefetch_brings_more_and_a_smaller_one_takes_nothing_away(queue: Queue) {
    publish(&queue, &ids(30)).await;
    let mut deliveries = queue.deliveries(4);
    let mut held = take(&mut deliveries, 4).await;
    deliveries.subscribe(10);
    held.extend(take(&mut deliveries, 6).await);
    nothing(deliveries.next()).await;
    deliveries.subscribe(2);
    let rest = held.split_off(9);
    settle(&mut deliveries, held, Settlement::Ack).await;
    // One is still held of two that may be.
    let mut two = take(&mut deliveries, 1).await;
    nothing(deliveries.next()).await;
    until_depth(&queue, 19, 0).await;
    two.extend(rest);
    settle(&mut deliveries, two, Settlement::Ack).await;
    let two = take(&mut deliveries, 2).await;
    nothing(deliveries.next()).await;
    settle(&mut deliveries, two, Settlement::Ack).await;
    deliveries.close().await;
    until_depth(&queue, 17, 0).await;
}

async fn a_prefetch_that_changes_all_the_time_is_kept(queue: Queue) {
    let wanted = ids(1000);
    publish(&queue, &wanted).await;
    let mut deliveries = queue.deliveries(1);
    let mut seen = HashSet::new();
    let mut prefetch = 1;
    while seen.len() < wanted.len() {
        let batch = soon(deliveries.next()).await;
        assert!(batch.len() <= 60, "{}", batch.len());
        prefetch = prefetch * 7 % 61;
        deliveries.subscribe(prefetch);
        seen.extend(ids_of(&batch));
        settle(&mut deliveries, batch, Settlement::Ack).await;
    }
    assert_eq!(seen, wanted.into_iter().collect());
    deliveries.close().await;
    until_depth(&queue, 0, 0).await;
}

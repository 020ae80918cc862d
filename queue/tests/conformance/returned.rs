//! What the queue gives up by itself comes back to a publisher: for both backends.

use queue::{Event, Queue, Reason, Settlement};

use crate::{confirmed, ids, nothing, on_both, publish, returned, settle, soon, take, until_depth};

on_both! {
    a_message_delivered_too_often_is_returned_to_a_publisher
    what_was_returned_and_not_settled_is_returned_to_the_next_publisher
    a_rejected_message_is_not_returned
    an_event_is_whichever_comes_first
}

/// Has the only message that waits come back until the queue gives it up.
async fn deliver_too_often(queue: &Queue) {
    let dead = queue.depth().await.unwrap().dead;
    let mut deliveries = queue.deliveries(1);
    while queue.depth().await.unwrap().dead == dead {
        tokio::select! {
            taken = deliveries.next() => settle(&mut deliveries, taken, Settlement::Requeue).await,
            () = tokio::time::sleep(std::time::Duration::from_millis(500)) => {}
        }
    }
    deliveries.close().await;
}

async fn a_message_delivered_too_often_is_returned_to_a_publisher(queue: Queue) {
    let mut publisher = queue.publisher().await.unwrap();
    let wanted = ids(1);
    publish(&queue, &wanted).await;
    nothing(publisher.returned()).await;
    deliver_too_often(&queue).await;
    let messages = returned(&mut publisher, 1).await;
    assert_eq!(messages[0].id, wanted[0]);
    assert_eq!(messages[0].reason, Reason::DeliveryLimit);
    publisher.settle_returned(messages).await.unwrap();
    until_depth(&queue, 0, 1).await;
    drop(publisher);
    let mut next = queue.publisher().await.unwrap();
    nothing(next.returned()).await;
}

async fn what_was_returned_and_not_settled_is_returned_to_the_next_publisher(queue: Queue) {
    let mut publisher = queue.publisher().await.unwrap();
    let wanted = ids(1);
    publish(&queue, &wanted).await;
    deliver_too_often(&queue).await;
    let lost = returned(&mut publisher, 1).await;
    nothing(publisher.returned()).await;
    drop((publisher, lost));
    let mut next = queue.publisher().await.unwrap();
    let messages = returned(&mut next, 1).await;
    assert_eq!(messages[0].id, wanted[0]);
    next.settle_returned(messages).await.unwrap();
}

async fn a_rejected_message_is_not_returned(queue: Queue) {
    let mut publisher = queue.publisher().await.unwrap();
    publish(&queue, &ids(5)).await;
    let mut deliveries = queue.deliveries(5);
    let taken = take(&mut deliveries, 5).await;
    settle(&mut deliveries, taken, Settlement::DeadLetter).await;
    deliveries.close().await;
    until_depth(&queue, 0, 5).await;
    nothing(publisher.returned()).await;
}

async fn an_event_is_whichever_comes_first(queue: Queue) {
    let wanted = ids(2);
    let mut publisher = queue.publisher().await.unwrap();
    nothing(publisher.event()).await;
    publisher.publish(&wanted[..1]).await.unwrap();
    match soon(publisher.event()).await.unwrap() {
        Event::Confirmed(confirmed) => assert_eq!(confirmed.acked, wanted[..1]),
        other => panic!("{other:?}"),
    }
    deliver_too_often(&queue).await;
    match soon(publisher.event()).await.unwrap() {
        Event::Returned(messages) => {
            assert_eq!(messages[0].id, wanted[0]);
            publisher.settle_returned(messages).await.unwrap();
        }
        other => panic!("{other:?}"),
    }
    publisher.publish(&wanted[1..]).await.unwrap();
    assert_eq!(confirmed(&mut publisher, 1).await, wanted[1..]);
}

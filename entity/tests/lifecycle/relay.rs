//! What the relay claims and notes.

use crate::*;

on_both! {
    what_is_due_is_claimed_once
    what_is_published_is_looked_at_later
}

async fn what_is_due_is_claimed_once(db: DatabaseConnection) {
    let batch = ["t1", "t2", "t3"].map(|id| received(webhook(id)));
    lifecycle::receive(&db, &batch, NOW).await.unwrap();
    receive_one(&db, &received(webhook("not due"))).await;
    let first = lifecycle::claim_due(&db, 2, LATER).await.unwrap();
    let second = lifecycle::claim_due(&db, 2, LATER).await.unwrap();
    assert_eq!((first.len(), second.len()), (2, 1));
    let mut claimed = [first, second].concat();
    claimed.sort();
    assert_eq!(claimed, batch.map(|received| received.id));
    assert!(
        lifecycle::claim_due(&db, 2, LATER)
            .await
            .unwrap()
            .is_empty()
    );
    lifecycle::make_all_due(&db).await.unwrap();
    assert_eq!(lifecycle::claim_due(&db, 9, LATER).await.unwrap().len(), 4);
}

async fn what_is_published_is_looked_at_later(db: DatabaseConnection) {
    let batch = ["t1", "t2"].map(|id| received(webhook(id)));
    lifecycle::receive(&db, &batch, NOW).await.unwrap();
    lifecycle::published(&db, &[batch[0].id], LATER)
        .await
        .unwrap();
    assert_eq!(
        lifecycle::claim_due(&db, 9, LATER).await.unwrap(),
        [batch[1].id]
    );
}

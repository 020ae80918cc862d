//! Receiving.

use crate::*;

on_both! {
    a_new_webhook_becomes_a_row_and_an_outbox_entry
    a_repeated_webhook_changes_nothing
    other_content_under_a_known_id_is_kept_apart_once
    of_equals_in_one_batch_the_first_stands
    receiving_again_after_an_unknown_outcome_is_new_again
    whoever_looks_first_comes_to_the_same
    many_batches_of_the_same_ids_do_not_deadlock
}

async fn a_new_webhook_becomes_a_row_and_an_outbox_entry(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    assert_eq!(receive_one(&db, &first).await, Receipt::New);
    let row = find(&db, "t1").await.unwrap();
    assert_eq!(
        (row.id, row.status, row.processed_at),
        (first.id, Status::Processing, None)
    );
    assert_eq!(row.amount, first.webhook.amount());
    let entries = outbox::Entity::find().all(&db).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.id).collect::<Vec<_>>(), [first.id]);
}

async fn a_repeated_webhook_changes_nothing(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    receive_one(&db, &first).await;
    let before = find(&db, "t1").await;
    let again = receive_one(&db, &received(webhook("t1"))).await;
    let duplicate = |status| Receipt::Duplicate {
        id: ANY,
        status,
        conflict: false,
    };
    assert_eq!(again, duplicate(Status::Processing));
    assert_eq!(find(&db, "t1").await, before);
    assert_eq!(outbox_count(&db).await, 1);
    finish(&db, Holder::Sole, &[first.id]).await;
    let again = receive_one(&db, &received(webhook("t1"))).await;
    assert_eq!(again, duplicate(Status::Processed));
    assert_eq!(outbox_count(&db).await, 0);
}

async fn other_content_under_a_known_id_is_kept_apart_once(db: DatabaseConnection) {
    receive_one(&db, &received(webhook("t1"))).await;
    let other = with("t1", |payment| {
        payment.amount = "1500.0001".parse().unwrap()
    });
    for _ in 0..2 {
        let receipt = receive_one(&db, &received(other.clone())).await;
        assert_eq!(receipt, CONFLICT);
    }
    let standing = find(&db, "t1").await.unwrap();
    assert_eq!(standing.amount, webhook("t1").amount());
    let kept = conflict::Entity::find().all(&db).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (&kept[0].transaction_id, kept[0].amount),
        (&other.transaction_id, other.amount())
    );
    assert_eq!(kept[0].id, conflict::id(&other));
}

async fn of_equals_in_one_batch_the_first_stands(db: DatabaseConnection) {
    let other = with("t1", |payment| payment.currency = "EUR".parse().unwrap());
    let batch = [webhook("t2"), webhook("t1"), other, webhook("t1")].map(received);
    let receipts = receive_all(&db, &batch).await;
    let status = Status::Processing;
    assert_eq!(
        receipts,
        [
            Receipt::New,
            Receipt::New,
            Receipt::Duplicate {
                id: ANY,
                status,
                conflict: true
            },
            Receipt::Duplicate {
                id: ANY,
                status,
                conflict: false
            },
        ]
    );
    assert_eq!(outbox_count(&db).await, 2);
}

async fn receiving_again_after_an_unknown_outcome_is_new_again(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    assert_eq!(receive_one(&db, &first).await, Receipt::New);
    assert_eq!(receive_one(&db, &first).await, Receipt::New);
    assert_eq!(outbox_count(&db).await, 1);
}

async fn whoever_looks_first_comes_to_the_same(db: DatabaseConnection) {
    let mut came_to = Vec::new();
    for (prefix, looks_first) in [("a", false), ("b", true)] {
        let [one, two, three] = ["1", "2", "3"].map(|n| format!("{prefix}{n}"));
        let other = |id: &str| with(id, |payment| payment.currency = "EUR".parse().unwrap());
        let known = [webhook(&one), webhook(&two)].map(received);
        receive_all(&db, &known).await;
        finish(&db, Holder::Sole, &[known[1].id]).await;
        let [tried_before, _] = known.clone();
        let asked = [webhook(&three), webhook(&two), other(&three), other(&one)].map(received);
        let batch: Vec<Received> = [tried_before].into_iter().chain(asked).collect();
        let receipts = match looks_first {
            true => lifecycle::receive_repeats(&db, &batch, LATER).await,
            false => lifecycle::receive(&db, &batch, LATER).await,
        };
        came_to.push(anonymous(receipts.unwrap()));
        // And where nothing is new.
        let again = lifecycle::receive_repeats(&db, &known, LATER).await;
        assert_eq!(again.unwrap(), [Receipt::New, Receipt::New]);
    }
    let [Receipt::New, Receipt::New, rest @ ..] = &*came_to[0] else {
        panic!("{came_to:?}");
    };
    assert!(rest.iter().all(|receipt| *receipt != Receipt::New));
    assert_eq!(came_to[0], came_to[1]);
    assert_eq!(outbox_count(&db).await, 4);
    assert_eq!(conflict::Entity::find().count(&db).await.unwrap(), 4);
}

async fn many_batches_of_the_same_ids_do_not_deadlock(db: DatabaseConnection) {
    let rounds = (0..8).map(|round| {
        let db = db.clone();
        let mut batch: Vec<_> = (0..50)
            .map(|i| received(webhook(&format!("t{i}"))))
            .collect();
        if round % 2 == 1 {
            batch.reverse();
        }
        tokio::spawn(async move {
            let receipts = match round % 3 {
                0 => lifecycle::receive_repeats(&db, &batch, LATER).await,
                _ => lifecycle::receive(&db, &batch, LATER).await,
            };
            let receipts = receipts.unwrap();
            receipts.iter().filter(|r| **r == Receipt::New).count()
        })
    });
    let mut new = 0;
    for round in rounds.collect::<Vec<_>>() {
        new += round.await.unwrap();
    }
    assert_eq!((new, outbox_count(&db).await), (50, 50));
}

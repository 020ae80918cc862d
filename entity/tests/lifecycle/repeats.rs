//! How often known ids came again.

use entity::lifecycle::repeats::{self, Beside};

use crate::*;

on_both! {
    repeats_are_counted_beside_what_stands
    conflicts_are_counted_with_whatever_is_theirs
}

async fn beside(db: &DatabaseConnection, id: Uuid, name: &str) -> Beside {
    let key = (&SourceName::built_in(), &named(name));
    repeats::beside(db, id, key).await.unwrap()
}

async fn repeats_are_counted_beside_what_stands(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    receive_one(&db, &first).await;
    assert_eq!(beside(&db, first.id, "t1").await, Beside::default());
    let other = Uuid::now_v7();
    for counts in [vec![(first.id, 2), (other, 1)], vec![(first.id, 40)]] {
        repeats::add(&db, counts).await.unwrap();
    }
    let told = beside(&db, first.id, "t1").await;
    assert_eq!((told.repeats, told.conflicts), (Some(42), 0));
    let ago = time::OffsetDateTime::now_utc() - told.last_repeat_at.unwrap();
    assert!(ago.abs() < time::Duration::minutes(1), "{ago}");
    assert_eq!(beside(&db, other, "t2").await.repeats, Some(1));
}

async fn conflicts_are_counted_with_whatever_is_theirs(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    receive_one(&db, &first).await;
    for amount in 1..=3_u32 {
        let other = with("t1", |payment| payment.amount = Amount::from(amount));
        assert_eq!(receive_one(&db, &received(other)).await, CONFLICT);
    }
    // Another source's are its own.
    receive_one(&db, &received(event("stripe", "t1", |_| ()))).await;
    let other = event("stripe", "t1", |event| event.kind = None);
    assert_eq!(receive_one(&db, &received(other)).await, CONFLICT);
    assert_eq!(beside(&db, first.id, "t1").await.conflicts, 3);
}

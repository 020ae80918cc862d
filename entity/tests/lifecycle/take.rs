//! Taking and finishing, under a lease.

use crate::*;

on_both! {
    an_id_is_finished_once
    an_unknown_id_is_not_taken
    what_a_living_consumer_holds_no_other_takes_or_finishes
    what_a_dead_consumer_held_is_taken_and_the_late_finisher_changes_nothing
    a_lease_that_has_run_out_is_not_renewed
    what_dead_consumers_held_falls_due
}

async fn an_id_is_finished_once(db: DatabaseConnection) {
    let batch = [webhook("t1"), webhook("t2")].map(received);
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let [one, two] = [batch[0].id, batch[1].id];
    let finish = async |ids: &[Uuid]| lifecycle::finish(&db, Holder::Sole, ids).await.unwrap();
    assert_eq!(finish(&[one]).await, 1);
    let processed_at = lifecycle::find(&db, "t1")
        .await
        .unwrap()
        .unwrap()
        .processed_at;
    assert!(processed_at.is_some());
    assert_eq!(finish(&[one, two]).await, 1);
    let row = lifecycle::find(&db, "t1").await.unwrap().unwrap();
    assert_eq!(row.processed_at, processed_at);
    assert_eq!(status(&db, two).await, Some(Status::Processed));
    assert_eq!(outbox_count(&db).await, 0);
}

async fn an_unknown_id_is_not_taken(db: DatabaseConnection) {
    let unknown = Uuid::now_v7();
    for holder in [Holder::Sole, consumer(&db, LATER).await.1] {
        assert_eq!(take(&db, holder, &[unknown]).await, Taken::default());
        let finished = lifecycle::finish(&db, holder, &[unknown]).await.unwrap();
        assert_eq!(finished, 0);
    }
}

async fn what_a_living_consumer_holds_no_other_takes_or_finishes(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, one) = consumer(&db, LATER).await;
    let (_, two) = consumer(&db, LATER).await;
    assert_eq!(take(&db, one, &ids[..2]).await.mine, &ids[..2]);
    let taken = take(&db, two, &ids).await;
    assert_eq!(taken.mine, &ids[2..]);
    assert_eq!(taken.others.len(), 2);
    assert!(taken.others.values().all(|s| *s == Status::Processing));
    assert_eq!(lifecycle::finish(&db, two, &ids).await.unwrap(), 1);
    // The holder itself may take again, after an answer that was lost.
    assert_eq!(take(&db, one, &ids[..2]).await.mine, &ids[..2]);
    assert_eq!(lifecycle::finish(&db, one, &ids).await.unwrap(), 2);
    let taken = take(&db, two, &ids).await;
    assert!(taken.mine.is_empty());
    assert!(taken.others.values().all(|s| *s == Status::Processed));
}

async fn what_a_dead_consumer_held_is_taken_and_the_late_finisher_changes_nothing(
    db: DatabaseConnection,
) {
    let ids = three(&db).await;
    let (id, dead) = consumer(&db, LATER).await;
    assert_eq!(take(&db, dead, &ids).await.mine, ids);
    run_out(&db, id).await;
    // Not even its own: it must not begin anything any more.
    assert!(take(&db, dead, &ids).await.mine.is_empty());
    let (_, heir) = consumer(&db, LATER).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
    assert_eq!(lifecycle::finish(&db, dead, &ids).await.unwrap(), 0);
    assert_eq!(outbox_count(&db).await, 3);
    assert_eq!(lifecycle::finish(&db, heir, &ids).await.unwrap(), 3);
}

async fn a_lease_that_has_run_out_is_not_renewed(db: DatabaseConnection) {
    let (living, _) = consumer(&db, LATER).await;
    assert!(lease::renew(&db, living, LATER).await.unwrap());
    let (dead, _) = consumer(&db, NOW).await;
    assert!(!lease::renew(&db, dead, LATER).await.unwrap());
    assert!(!lease::renew(&db, Uuid::now_v7(), LATER).await.unwrap());
}

async fn what_dead_consumers_held_falls_due(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (living, holder) = consumer(&db, LATER).await;
    let (id, dead) = consumer(&db, LATER).await;
    take(&db, holder, &ids[..1]).await;
    take(&db, dead, &ids[1..]).await;
    assert_eq!(lease::reclaim(&db).await.unwrap(), 0);
    run_out(&db, id).await;
    assert_eq!(lease::reclaim(&db).await.unwrap(), 2);
    assert_eq!(lease::reclaim(&db).await.unwrap(), 0);
    // A note that comes late does not put off what has come back.
    lifecycle::published(&db, &ids, LATER).await.unwrap();
    let mut due = lifecycle::claim_due(&db, 9, LATER).await.unwrap();
    due.sort();
    assert_eq!(due, &ids[1..]);
    // Whoever gives up its lease leaves all to the others at once.
    lease::end(&db, living).await.unwrap();
    let (_, heir) = consumer(&db, LATER).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
}

//! Taking and finishing, under a lease.

use crate::*;

on_both! {
    an_id_is_finished_once
    an_unknown_id_is_not_taken
    what_a_living_consumer_holds_no_other_takes_or_finishes
    what_a_dead_consumer_held_is_taken_and_the_late_finisher_changes_nothing
    who_was_found_dead_cannot_renew_its_lease
    who_has_renewed_its_lease_is_not_buried
    what_dead_consumers_held_falls_due
    a_death_counts_once_whoever_sees_it_first
    who_gives_up_its_lease_has_not_died
    what_is_left_by_who_ended_its_lease_falls_due
    what_is_released_is_anybodys
    what_is_tried_again_is_taken_and_held_at_once
}

async fn an_id_is_finished_once(db: DatabaseConnection) {
    let batch = [webhook("t1"), webhook("t2")].map(received);
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let [one, two] = [batch[0].id, batch[1].id];
    let finish = async |ids: &[Uuid]| finish(&db, Holder::Sole, ids).await;
    assert_eq!(finish(&[one]).await, 1);
    let processed_at = find(&db, "t1").await.unwrap().processed_at;
    assert!(processed_at.is_some());
    assert_eq!(finish(&[one, two]).await, 1);
    let row = find(&db, "t1").await.unwrap();
    assert_eq!(row.processed_at, processed_at);
    assert_eq!(status(&db, two).await, Some(Status::Processed));
    assert_eq!(outbox_count(&db).await, 0);
}

async fn an_unknown_id_is_not_taken(db: DatabaseConnection) {
    let unknown = Uuid::now_v7();
    for holder in [Holder::Sole, consumer(&db).await.1] {
        assert_eq!(take(&db, holder, &[unknown]).await, Taken::default());
        let finished = finish(&db, holder, &[unknown]).await;
        assert_eq!(finished, 0);
    }
}

async fn what_a_living_consumer_holds_no_other_takes_or_finishes(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, one) = consumer(&db).await;
    let (_, two) = consumer(&db).await;
    assert_eq!(take(&db, one, &ids[..2]).await.mine, &ids[..2]);
    let taken = take(&db, two, &ids).await;
    assert_eq!(taken.mine, &ids[2..]);
    assert_eq!(taken.others.len(), 2);
    assert!(taken.others.values().all(|s| *s == Status::Processing));
    assert_eq!(finish(&db, two, &ids).await, 1);
    // The holder itself may take again, after an answer that was lost.
    assert_eq!(take(&db, one, &ids[..2]).await.mine, &ids[..2]);
    assert_eq!(finish(&db, one, &ids).await, 2);
    let taken = take(&db, two, &ids).await;
    assert!(taken.mine.is_empty());
    assert!(taken.others.values().all(|s| *s == Status::Processed));
}

async fn what_a_dead_consumer_held_is_taken_and_the_late_finisher_changes_nothing(
    db: DatabaseConnection,
) {
    let ids = three(&db).await;
    let (id, dead) = consumer(&db).await;
    assert_eq!(take(&db, dead, &ids).await.mine, ids);
    bury(&db, id).await;
    // Not even its own: it must not begin anything any more.
    assert!(take(&db, dead, &ids).await.mine.is_empty());
    let (_, heir) = consumer(&db).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
    assert_eq!(finish(&db, dead, &ids).await, 0);
    assert_eq!(outbox_count(&db).await, 3);
    assert_eq!(finish(&db, heir, &ids).await, 3);
}

async fn who_was_found_dead_cannot_renew_its_lease(db: DatabaseConnection) {
    let (living, _) = consumer(&db).await;
    assert!(lease::renew(&db, living, LATER).await.unwrap());
    let (dead, _) = consumer(&db).await;
    bury(&db, dead).await;
    assert!(!lease::renew(&db, dead, LATER).await.unwrap());
    assert!(!lease::renew(&db, Uuid::now_v7(), LATER).await.unwrap());
    assert_eq!(lease::dead(&db).await.unwrap(), [dead]);
}

async fn who_has_renewed_its_lease_is_not_buried(db: DatabaseConnection) {
    let (living, _) = consumer(&db).await;
    let seen = lease::renewals(&db).await.unwrap()[&living];
    assert_eq!((seen.length, seen.has_run_out), (LATER, false));
    assert!(lease::renew(&db, living, LATER * 2).await.unwrap());
    assert!(!lease::bury(&db, living, seen).await.unwrap());
    assert!(lease::dead(&db).await.unwrap().is_empty());
}

async fn what_dead_consumers_held_falls_due(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (living, holder) = consumer(&db).await;
    let (id, dead) = consumer(&db).await;
    take(&db, holder, &ids[..1]).await;
    take(&db, dead, &ids[1..]).await;
    assert!(reclaim(&db).await.is_empty());
    bury(&db, id).await;
    assert_eq!(reclaim(&db).await, &ids[1..]);
    assert!(reclaim(&db).await.is_empty());
    assert_eq!(outbox_count(&db).await, 1);
    // A note that comes late does not put off what has come back.
    due::defer_published(&db, &ids, LATER).await.unwrap();
    assert_eq!(claim_retries(&db).await, &ids[1..]);
    // Whoever gives up its lease leaves all to the others at once.
    lease::end(&db, living).await.unwrap();
    let (_, heir) = consumer(&db).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
    assert!(retries(&db).await.is_empty());
}

async fn crashes(db: &DatabaseConnection) -> Vec<i32> {
    let entries = outbox::Entity::find().all(db).await.unwrap();
    entries.iter().map(|entry| entry.crashes).collect()
}

async fn a_death_counts_once_whoever_sees_it_first(db: DatabaseConnection) {
    let received = received(webhook("t1"));
    receive_one(&db, &received).await;
    let ids = [received.id];
    for deaths in 1..=2 {
        let (id, dead) = consumer(&db).await;
        take(&db, dead, &ids).await;
        bury(&db, id).await;
        // The heir takes it before anybody has made it due.
        let (_, heir) = consumer(&db).await;
        assert_eq!(take(&db, heir, &ids).await.mine, ids);
        assert_eq!(crashes(&db).await, [deaths]);
        assert!(reclaim(&db).await.is_empty());
        assert_eq!(crashes(&db).await, [deaths]);
        lifecycle::release(&db, heir, &ids, LATER).await.unwrap();
    }
    // And where it has been made due, it is not counted again.
    let (id, dead) = consumer(&db).await;
    take(&db, dead, &ids).await;
    bury(&db, id).await;
    assert_eq!(reclaim(&db).await, ids);
    assert_eq!(claim_retries(&db).await, ids);
    let (_, heir) = consumer(&db).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
    assert_eq!(crashes(&db).await, [3]);
}

async fn who_gives_up_its_lease_has_not_died(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (id, holder) = consumer(&db).await;
    take(&db, holder, &ids).await;
    lease::end(&db, id).await.unwrap();
    let (_, heir) = consumer(&db).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
    assert_eq!(crashes(&db).await, [0, 0, 0]);
}

async fn what_is_left_by_who_ended_its_lease_falls_due(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (id, holder) = consumer(&db).await;
    take(&db, holder, &ids).await;
    lease::end(&db, id).await.unwrap();
    // Its messages may have been acked by others while it still held them, so somebody looks after what it has left.
    assert_eq!(reclaim(&db).await, ids);
    assert_eq!(claim_retries(&db).await, ids);
    let (_, heir) = consumer(&db).await;
    assert_eq!(take(&db, heir, &ids).await.mine, ids);
    assert_eq!(crashes(&db).await, [0, 0, 0]);
}

async fn what_is_tried_again_is_taken_and_held_at_once(db: DatabaseConnection) {
    let ids = three(&db).await;
    for deaths in 0..2 {
        let (id, dead) = consumer(&db).await;
        take(&db, dead, &ids[..=deaths]).await;
        bury(&db, id).await;
        reclaim(&db).await;
        claim_retries(&db).await;
    }
    // The first has two deaths behind it, and the second one.
    let (_, holder) = consumer(&db).await;
    let mut taken = lifecycle::take(&db, holder, ids.clone(), 1, LATER)
        .await
        .unwrap();
    taken.mine.sort();
    assert_eq!(taken.mine, &ids[1..]);
    assert_eq!(taken.suspects, [(ids[0], 2)].into());
    assert!(retries(&db).await.is_empty());
    let entries = outbox::Entity::find().all(&db).await.unwrap();
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry.holder.is_some())
            .count(),
        2
    );
}

async fn what_is_released_is_anybodys(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, one) = consumer(&db).await;
    let (_, two) = consumer(&db).await;
    take(&db, one, &ids).await;
    assert_eq!(lifecycle::release(&db, two, &ids, LATER).await.unwrap(), 0);
    assert!(take(&db, two, &ids).await.mine.is_empty());
    assert_eq!(lifecycle::release(&db, one, &ids, LATER).await.unwrap(), 3);
    assert_eq!(take(&db, two, &ids).await.mine, ids);
}

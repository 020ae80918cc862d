//! What the relay claims and notes.

use entity::lifecycle::{
    Transition,
    due::{FellDue, Wanted},
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::*;

on_both! {
    what_is_due_is_claimed_once
    a_look_reads_as_much_as_it_may_and_says_how_far_it_came
    a_look_that_may_claim_no_more_ends_there
    what_is_published_is_looked_at_later
    what_an_older_version_lets_wait_is_not_claimed_before_its_time
    what_a_living_consumer_holds_is_not_claimed
    a_queue_that_has_lost_everything_gets_it_again
    what_has_left_the_queue_comes_back
    a_late_note_does_not_put_off_what_has_come_back
    a_late_note_does_not_put_off_what_was_due_sooner
    retries_are_claimed_in_the_order_of_their_time
    a_look_is_for_what_fell_due_when_it_says
    a_clock_that_was_set_back_puts_nothing_off
}

async fn what_is_due_is_claimed_once(db: DatabaseConnection) {
    let batch = ["t1", "t2", "t3"].map(|id| received(webhook(id)));
    lifecycle::receive(&db, &batch, NOW).await.unwrap();
    receive_one(&db, &received(webhook("not due"))).await;
    assert_eq!(
        claim(&db, Wanted::Due).await,
        batch.map(|received| received.id)
    );
    assert!(claim(&db, Wanted::Due).await.is_empty());
}

async fn a_look_reads_as_much_as_it_may_and_says_how_far_it_came(db: DatabaseConnection) {
    let mut batch = ["t1", "t2", "t3"].map(|id| received(webhook(id)));
    batch.sort_by_key(|received| received.id);
    lifecycle::receive(&db, &batch[..1], LATER).await.unwrap();
    lifecycle::receive(&db, &batch[1..], NOW).await.unwrap();
    let look = due::claim(&db, ALL, Wanted::Due, up_to(2), LATER)
        .await
        .unwrap();
    assert_eq!((look.read, look.last), (2, Some(batch[1].id)));
    assert_eq!(look.ids, [batch[1].id]);
    let rest = Range {
        from: batch[2].id,
        to: Uuid::max(),
    };
    let look = due::claim(&db, rest, Wanted::Due, up_to(2), LATER)
        .await
        .unwrap();
    assert_eq!((look.read, look.ids), (1, vec![batch[2].id]));
    let nothing = Range {
        from: Uuid::nil(),
        to: batch[0].id,
    };
    let look = due::claim(&db, nothing, Wanted::Due, up_to(2), LATER)
        .await
        .unwrap();
    assert_eq!(look, Look::default());
}

async fn a_look_that_may_claim_no_more_ends_there(db: DatabaseConnection) {
    let mut batch = ["t1", "t2", "t3", "t4"].map(|id| received(webhook(id)));
    batch.sort_by_key(|received| received.id);
    lifecycle::receive(&db, &batch, NOW).await.unwrap();
    let limits = due::Limits { read: 3, claim: 2 };
    let look = due::claim(&db, ALL, Wanted::Due, limits, LATER)
        .await
        .unwrap();
    assert_eq!((look.read, look.last), (3, Some(batch[1].id)));
    assert_eq!(sorted(look), [batch[0].id, batch[1].id]);
}

async fn what_an_older_version_lets_wait_is_not_claimed_before_its_time(db: DatabaseConnection) {
    let ids = three(&db).await;
    let wait = "UPDATE outbox SET waits = true, due_at = due_at + 86400000";
    db.execute_unprepared(wait).await.unwrap();
    assert!(claim(&db, Wanted::Due).await.is_empty());
    let all = Wanted::Published { not_within: NOW };
    assert!(claim(&db, all).await.is_empty());
    db.execute_unprepared("UPDATE outbox SET due_at = 0")
        .await
        .unwrap();
    assert_eq!(claim(&db, Wanted::Due).await, ids);
}

async fn what_is_published_is_looked_at_later(db: DatabaseConnection) {
    let batch = ["t1", "t2"].map(|id| received(webhook(id)));
    lifecycle::receive(&db, &batch, NOW).await.unwrap();
    due::defer_published(&db, &[batch[0].id], Duration::from_secs(900))
        .await
        .unwrap();
    assert_eq!(claim(&db, Wanted::Due).await, [batch[1].id]);
}

async fn what_a_living_consumer_holds_is_not_claimed(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (id, holder) = consumer(&db).await;
    lifecycle::take(&db, holder, ids.clone(), i32::MAX, NOW)
        .await
        .unwrap();
    assert!(claim(&db, Wanted::Due).await.is_empty());
    let all = Wanted::Published { not_within: NOW };
    assert!(claim(&db, all).await.is_empty());
    // Its lease has ended, and nobody has taken over.
    lease::end(&db, id).await.unwrap();
    assert_eq!(claim(&db, Wanted::Due).await, ids);
}

async fn a_queue_that_has_lost_everything_gets_it_again(db: DatabaseConnection) {
    let ids = three(&db).await;
    let soon = Duration::from_secs(10);
    let new = received(webhook("t4"));
    lifecycle::receive(&db, std::slice::from_ref(&new), soon)
        .await
        .unwrap();
    let lost = Wanted::Published { not_within: soon };
    assert_eq!(claim(&db, lost).await, ids);

    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids[..1]).await;
    let failed = lifecycle::Record {
        id: ids[0],
        attempt: None,
        next: Transition::Retry {
            after: NOW,
            counts: true,
        },
    };
    lifecycle::record(&db, holder, &[failed]).await.unwrap();
    let claimed = due::claim_retries(&db, 9, NOW, FellDue::EVER)
        .await
        .unwrap();
    assert_eq!(claimed[0].id, ids[0]);
    let quarter = Duration::from_secs(900);
    due::defer_published_retries(&db, &claimed, quarter)
        .await
        .unwrap();
    assert!(claim_retries(&db).await.is_empty());
    due::republish_retries(&db, soon).await.unwrap();
    assert_eq!(claim_retries(&db).await, &ids[..1]);

    assert_eq!(created_at(&db, "q").await, None);
    due::queue_created(&db, "q").await.unwrap();
    let first = created_at(&db, "q").await.unwrap();
    due::queue_created(&db, "q").await.unwrap();
    assert!(created_at(&db, "q").await.unwrap() >= first);
    let other = due::state(&db, "other").await.unwrap();
    assert_eq!(other.created_at, None);
    assert!(other.other_created_at >= Some(first));
}

async fn what_has_left_the_queue_comes_back(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids[..1]).await;
    finish(&db, Holder::Sole, &ids[1..2]).await;
    let unknown = Uuid::now_v7();
    due::come_back(&db, &[ids[0], ids[1], ids[2], unknown], NOW)
        .await
        .unwrap();
    assert_eq!(claim_retries(&db).await, &ids[2..]);
    // Once more, while it is on its way.
    due::come_back(&db, &ids[2..], NOW).await.unwrap();
    assert_eq!(claim_retries(&db).await, &ids[2..]);
    assert_eq!(take(&db, holder, &ids[2..]).await.mine, &ids[2..]);
}

async fn created_at(db: &DatabaseConnection, queue: &str) -> Option<i64> {
    due::state(db, queue).await.unwrap().created_at
}

async fn now(db: &DatabaseConnection) -> i64 {
    due::state(db, "q").await.unwrap().now
}

async fn a_late_note_does_not_put_off_what_has_come_back(db: DatabaseConnection) {
    let ids = waiting(&db, &[0]).await;
    let claimed = due::claim_retries(&db, 9, LATER, FellDue::EVER)
        .await
        .unwrap();
    while now(&db).await <= claimed[0].set_at {}
    // Confirmed, and dropped by the broker before the note of that is written.
    due::come_back(&db, &ids, NOW).await.unwrap();
    due::defer_published_retries(&db, &claimed, LATER)
        .await
        .unwrap();
    assert_eq!(claim_retries(&db).await, ids);
}

async fn a_late_note_does_not_put_off_what_was_due_sooner(db: DatabaseConnection) {
    let ids = waiting(&db, &[0]).await;
    let soon = Duration::from_secs(5);
    let claimed = due::claim_retries(&db, 9, soon, FellDue::EVER)
        .await
        .unwrap();
    while now(&db).await <= claimed[0].set_at {}
    due::come_back(&db, &ids, 2 * soon).await.unwrap();
    due::defer_published_retries(&db, &claimed, LATER)
        .await
        .unwrap();
    let row = retry::Entity::find_by_id(ids[0]).one(&db).await.unwrap();
    let due_in = row.unwrap().due_at - claimed[0].set_at;
    assert!((4900..=5100).contains(&due_in), "{due_in} ms");
}

/// Retries with these due times, in seconds from now.
async fn waiting(db: &DatabaseConnection, seconds: &[i64]) -> Vec<Uuid> {
    let now = now(db).await;
    let rows = seconds.iter().map(|seconds| retry::Model {
        id: Uuid::now_v7(),
        due_at: now + seconds * 1000,
        set_at: now,
        attempts: 1,
        failures: 1,
        crashes: 0,
        waits: true,
        earlier: 0,
        replay: false,
        bulk: None,
    });
    let rows: Vec<_> = rows.collect();
    let insert = rows.iter().cloned().map(retry::ActiveModel::from);
    retry::Entity::insert_many(insert).exec(db).await.unwrap();
    rows.iter().map(|row| row.id).collect()
}

async fn retries_are_claimed_in_the_order_of_their_time(db: DatabaseConnection) {
    let ids = waiting(&db, &[-10, -30, 60, -20]).await;
    let claimed = due::claim_retries(&db, 2, LATER, FellDue::EVER)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 2);
    assert!(
        [1, 3]
            .map(|i| ids[i])
            .iter()
            .all(|id| claimed.iter().any(|one| one.id == *id))
    );
    assert_eq!(claim_retries(&db).await, [ids[0]]);
    assert!(claim_retries(&db).await.is_empty());
}

async fn a_look_is_for_what_fell_due_when_it_says(db: DatabaseConnection) {
    let ids = waiting(&db, &[-5, -600, -6000]).await;
    let look = async |at_least, at_most: Option<u64>| {
        let fell_due = FellDue {
            at_least: Duration::from_secs(at_least),
            at_most: at_most.map(Duration::from_secs),
        };
        let claimed = due::claim_retries(&db, 9, LATER, fell_due).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|one| one.id).collect();
        ids
    };
    assert!(look(60, Some(500)).await.is_empty());
    assert_eq!(look(0, Some(60)).await, ids[..1]);
    assert_eq!(look(60, Some(900)).await, ids[1..2]);
    assert_eq!(look(900, None).await, ids[2..]);
}

async fn a_clock_that_was_set_back_puts_nothing_off(db: DatabaseConnection) {
    let entry = received(webhook("t1"));
    lifecycle::receive(&db, std::slice::from_ref(&entry), Duration::from_secs(10))
        .await
        .unwrap();
    let ids = waiting(&db, &[0, 20]).await;
    // As all of it looks after the clock has been set back by an hour.
    for forward in [
        "UPDATE outbox SET due_at = due_at + 3600000",
        "UPDATE retries SET due_at = due_at + 3600000, set_at = set_at + 3600000",
    ] {
        db.execute_unprepared(forward).await.unwrap();
    }
    assert_eq!(claim(&db, Wanted::Due).await, [entry.id]);
    assert!(claim_retries(&db).await.is_empty());
    let shortened = due::shorten_waits(&db, ALL, 100).await.unwrap();
    assert_eq!(sorted(shortened), ids);
    assert_eq!(claim_retries(&db).await, [ids[0]]);
    let left = retries(&db)
        .await
        .into_iter()
        .find(|row| row.id == ids[1])
        .unwrap();
    let wait = left.due_at - now(&db).await;
    assert!((0..=20_000).contains(&wait), "{wait}");
    // Once is enough.
    let again = due::shorten_waits(&db, ALL, 100).await.unwrap();
    assert!(again.ids.is_empty());
}

/// What takes too long is no sign of a dead connection: the server ends it, and the next look goes through the same one.
#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_look_that_takes_too_long_costs_no_connection() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    let one = Database::connect(ConnectOptions::new(&url).max_connections(1).to_owned())
        .await
        .unwrap();
    let before = session(&one).await;
    let blocker = db.begin().await.unwrap();
    blocker
        .execute_unprepared("LOCK TABLE retries")
        .await
        .unwrap();
    let looked = due::claim_retries(&one, 100, LATER, due::FellDue::EVER).await;
    looked.unwrap_err();
    blocker.rollback().await.unwrap();
    assert_eq!(session(&one).await, before);
    assert!(claim_retries(&one).await.is_empty());
    one.close().await.unwrap();
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

/// To wait for whoever takes some of them would be to wait for each other, sooner or later: each holds what the other wants.
#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_note_of_retries_waits_for_nobody_who_takes_some() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    let ids = waiting(&db, &[-2, -1]).await;
    let claimed = due::claim_retries(&db, 9, NOW, FellDue::EVER)
        .await
        .unwrap();
    let taker = db.begin().await.unwrap();
    let take = format!("DELETE FROM retries WHERE id = '{}'", ids[0]);
    taker.execute_unprepared(&take).await.unwrap();
    let note = due::defer_published_retries(&db, &claimed, LATER);
    let note = tokio::time::timeout(Duration::from_secs(5), note).await;
    note.expect("it waits").unwrap();
    taker.rollback().await.unwrap();
    assert_eq!(claim_retries(&db).await, &ids[..1]);
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

/// As when the server's clock was set back while they waited: it notices neither their deadlock nor that their time is up.
#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn statements_that_the_server_does_not_end_are_ended() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    let ids = three(&db).await;
    let named = format!("{url}{}application_name=hookline%20test", separator(&url));
    let each_has_one = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let hanging: Vec<_> = [(ids[0], ids[1]), (ids[1], ids[0])]
        .map(|(first, second)| {
            let (named, each_has_one) = (named.clone(), each_has_one.clone());
            tokio::spawn(async move {
                let one =
                    Database::connect(ConnectOptions::new(named).max_connections(1).to_owned());
                let one = one.await.unwrap();
                one.execute_unprepared("SET deadlock_timeout = '1h'")
                    .await
                    .unwrap();
                let lock = |id| format!("UPDATE outbox SET due_at = due_at WHERE id = '{id}'");
                let transaction = one.begin().await.unwrap();
                transaction.execute_unprepared(&lock(first)).await.unwrap();
                each_has_one.wait().await;
                transaction.execute_unprepared(&lock(second)).await
            })
        })
        .into();
    let both_wait = async { while waiting_for_locks(&db).await < 2 {} };
    tokio::time::timeout(Duration::from_secs(30), both_wait)
        .await
        .unwrap();
    due::defer_published(&db, &ids, LATER).await.unwrap_err();
    due::defer_published(&db, &ids, LATER).await.unwrap();
    let mut ended = 0;
    for hanging in hanging {
        ended += u32::from(hanging.await.unwrap().is_err());
    }
    // Both are told to; the second may have got what the first one held before it heard of it.
    assert!(ended > 0);
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

fn separator(url: &str) -> char {
    if url.contains('?') { '&' } else { '?' }
}

/// The number of the server's process behind the connection.
async fn session(db: &DatabaseConnection) -> i32 {
    ask(db, "SELECT pg_backend_pid()").await
}

async fn waiting_for_locks(db: &DatabaseConnection) -> i32 {
    let waiting = "SELECT count(*)::int FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    ask(db, waiting).await
}

async fn ask(db: &DatabaseConnection, question: &str) -> i32 {
    let question = sea_orm::Statement::from_string(db.get_database_backend(), question);
    let asked = db.query_one_raw(question);
    asked.await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

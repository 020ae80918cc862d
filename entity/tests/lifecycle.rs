//! The statements of a transaction's life, each on SQLite and on PostgreSQL.

#![cfg(test)]

use std::time::Duration;

use entity::{
    Amount, Status, Webhook, conflict,
    lifecycle::{self, Holder, Receipt, Received, Taken, lease},
    outbox,
};
use migration::{Migrator, MigratorTrait};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, EntityTrait, PaginatorTrait};
use uuid::Uuid;

const NOW: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(3600);

/// Runs a test body on both databases.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("test.db");
                let url = format!("sqlite:{}?mode=rwc", file.display());
                super::$name(super::open(&url).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL: run scripts/test"]
            async fn $name() {
                let server = lab::given::postgres().unwrap();
                let url = lab::postgres::create_database(&server).await.unwrap();
                let db = super::open(&url).await;
                super::$name(db.clone()).await;
                db.close().await.unwrap();
                lab::postgres::drop_database(&url).await.unwrap();
            })*
        }
    };
}

on_both! {
    a_new_webhook_becomes_a_row_and_an_outbox_entry
    a_repeated_webhook_changes_nothing
    other_content_under_a_known_id_is_kept_apart_once
    of_equals_in_one_batch_the_first_stands
    receiving_again_after_an_unknown_outcome_is_new_again
    an_id_is_finished_once
    what_is_due_is_claimed_once
    what_is_published_is_looked_at_later
    an_unknown_id_is_not_taken
    what_a_living_consumer_holds_no_other_takes_or_finishes
    what_a_dead_consumer_held_is_taken_and_the_late_finisher_changes_nothing
    a_lease_that_has_run_out_is_not_renewed
    what_dead_consumers_held_falls_due
    many_batches_of_the_same_ids_do_not_deadlock
    every_amount_comes_back_equal
    texts_come_back_as_they_were
    the_database_refuses_an_impossible_state
}

async fn open(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(if url.starts_with("sqlite") { 1 } else { 8 });
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

fn webhook(transaction_id: &str) -> Webhook {
    Webhook {
        transaction_id: transaction_id.into(),
        source_account: "acc_user_1".into(),
        destination_account: "acc_merchant_1".into(),
        amount: Amount::from(1500),
        currency: "INR".into(),
    }
}

fn received(webhook: Webhook) -> Received {
    Received {
        id: Uuid::now_v7(),
        webhook,
    }
}

async fn receive_one(db: &DatabaseConnection, received: &Received) -> Receipt {
    lifecycle::receive(db, std::slice::from_ref(received), LATER)
        .await
        .unwrap()[0]
}

async fn status(db: &DatabaseConnection, id: Uuid) -> Option<Status> {
    lifecycle::load(db, &[id]).await.unwrap().remove(&id)
}

async fn outbox_count(db: &DatabaseConnection) -> u64 {
    outbox::Entity::find().count(db).await.unwrap()
}

async fn a_new_webhook_becomes_a_row_and_an_outbox_entry(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    assert_eq!(receive_one(&db, &first).await, Receipt::New);
    let row = lifecycle::find(&db, "t1").await.unwrap().unwrap();
    assert_eq!(
        (row.id, row.status, row.processed_at),
        (first.id, Status::Processing, None)
    );
    assert!(row.says(&first.webhook));
    let entries = outbox::Entity::find().all(&db).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.id).collect::<Vec<_>>(), [first.id]);
}

async fn a_repeated_webhook_changes_nothing(db: DatabaseConnection) {
    let first = received(webhook("t1"));
    receive_one(&db, &first).await;
    let before = lifecycle::find(&db, "t1").await.unwrap();
    let again = receive_one(&db, &received(webhook("t1"))).await;
    let duplicate = |status| Receipt::Duplicate {
        status,
        conflict: false,
    };
    assert_eq!(again, duplicate(Status::Processing));
    assert_eq!(lifecycle::find(&db, "t1").await.unwrap(), before);
    assert_eq!(outbox_count(&db).await, 1);
    lifecycle::finish(&db, Holder::Sole, &[first.id])
        .await
        .unwrap();
    let again = receive_one(&db, &received(webhook("t1"))).await;
    assert_eq!(again, duplicate(Status::Processed));
    assert_eq!(outbox_count(&db).await, 0);
}

async fn other_content_under_a_known_id_is_kept_apart_once(db: DatabaseConnection) {
    receive_one(&db, &received(webhook("t1"))).await;
    let mut other = webhook("t1");
    other.amount = "1500.0001".parse().unwrap();
    for _ in 0..2 {
        let receipt = receive_one(&db, &received(other.clone())).await;
        let status = Status::Processing;
        assert_eq!(
            receipt,
            Receipt::Duplicate {
                status,
                conflict: true
            }
        );
    }
    let standing = lifecycle::find(&db, "t1").await.unwrap().unwrap();
    assert!(standing.says(&webhook("t1")));
    let kept = conflict::Entity::find().all(&db).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (&kept[0].transaction_id, kept[0].amount),
        (&other.transaction_id, other.amount)
    );
    assert_eq!(kept[0].id, conflict::id(&other));
}

async fn of_equals_in_one_batch_the_first_stands(db: DatabaseConnection) {
    let mut other = webhook("t1");
    other.currency = "EUR".into();
    let batch = [webhook("t2"), webhook("t1"), other, webhook("t1")].map(received);
    let receipts = lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let status = Status::Processing;
    assert_eq!(
        receipts,
        [
            Receipt::New,
            Receipt::New,
            Receipt::Duplicate {
                status,
                conflict: true
            },
            Receipt::Duplicate {
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

/// Three webhooks that are not due, as a consumer gets their ids.
async fn three(db: &DatabaseConnection) -> Vec<Uuid> {
    let batch = ["t1", "t2", "t3"].map(|id| received(webhook(id)));
    lifecycle::receive(db, &batch, LATER).await.unwrap();
    batch.iter().map(|received| received.id).collect()
}

/// A consumer whose lease runs for `length`.
async fn consumer(db: &DatabaseConnection, length: Duration) -> (Uuid, Holder) {
    let id = Uuid::now_v7();
    lease::begin(db, id, length).await.unwrap();
    (id, Holder::Consumer(id))
}

/// Lets a lease run out at once.
async fn run_out(db: &DatabaseConnection, consumer: Uuid) {
    lease::begin(db, consumer, NOW).await.unwrap();
}

async fn take(db: &DatabaseConnection, holder: Holder, ids: &[Uuid]) -> Taken {
    lifecycle::take(db, holder, ids.to_vec(), LATER)
        .await
        .unwrap()
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
            let receipts = lifecycle::receive(&db, &batch, LATER).await.unwrap();
            receipts.iter().filter(|r| **r == Receipt::New).count()
        })
    });
    let mut new = 0;
    for round in rounds.collect::<Vec<_>>() {
        new += round.await.unwrap();
    }
    assert_eq!((new, outbox_count(&db).await), (50, 50));
}

/// A property of both databases: whatever amount goes in comes out, equal in value and of the same
/// text.
async fn every_amount_comes_back_equal(db: DatabaseConnection) {
    let handle = tokio::runtime::Handle::current();
    let amounts = prop::collection::vec(
        (-999_999_999_999_999_i64..=999_999_999_999_999, 0_u32..=9999),
        64,
    );
    let check = move |amounts: Vec<(i64, u32)>| {
        let batch: Vec<_> = amounts
            .iter()
            .map(|(whole, fraction)| {
                let mut webhook = webhook(&Uuid::now_v7().to_string());
                webhook.amount = format!("{whole}.{fraction:04}").parse().unwrap();
                received(webhook)
            })
            .collect();
        handle.block_on(async {
            lifecycle::receive(&db, &batch, LATER).await.unwrap();
            for Received { webhook, .. } in &batch {
                let row = lifecycle::find(&db, &webhook.transaction_id)
                    .await
                    .unwrap()
                    .unwrap();
                prop_assert_eq!(row.amount, webhook.amount);
                prop_assert_eq!(row.amount.to_string(), webhook.amount.to_string());
            }
            Ok(())
        })
    };
    tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config {
            cases: 16,
            ..Config::default()
        });
        runner.run(&amounts, check).unwrap();
    })
    .await
    .unwrap();
}

async fn texts_come_back_as_they_were(db: DatabaseConnection) {
    for text in [
        "a'b\"c\\d",
        "₹ ünï 🦀",
        "{1,2}",
        "NULL",
        "  ",
        &"ü".repeat(255),
        "a,b",
    ] {
        let mut webhook = webhook(text);
        webhook.source_account = text.into();
        receive_one(&db, &received(webhook.clone())).await;
        assert!(
            lifecycle::find(&db, text)
                .await
                .unwrap()
                .unwrap()
                .says(&webhook),
            "{text}"
        );
    }
}

async fn the_database_refuses_an_impossible_state(db: DatabaseConnection) {
    use sea_orm::ConnectionTrait;
    receive_one(&db, &received(webhook("t1"))).await;
    for impossible in [
        "UPDATE transactions SET status = 'PROCESSED'",
        "UPDATE transactions SET processed_at = created_at",
        "UPDATE transactions SET status = 'LOST'",
    ] {
        let error = db.execute_unprepared(impossible).await.unwrap_err();
        assert!(lifecycle::refuses_the_data(&error), "{impossible}: {error}");
    }
}

use std::time::{Duration, Instant};

use entity::{
    Amount, Webhook,
    lifecycle::{self, Receipt},
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, TransactionTrait as _};

use super::{NotCommitted, Slots, Writer, channel, run};
use crate::{admission::Admission, relay};

/// A database with one connection: whoever holds that makes it as slow as can be.
async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

fn start(db: &DatabaseConnection) -> (Writer, Admission) {
    let admission = Admission::new(Slots::SQLITE);
    let (writer, inbox) = channel();
    let (committed, _) = relay::channel();
    tokio::spawn(run(
        db.clone(),
        inbox,
        committed,
        admission.clone(),
        Slots::SQLITE,
        None,
    ));
    (writer, admission)
}

fn webhook(transaction_id: &str) -> Webhook {
    Webhook {
        transaction_id: transaction_id.parse().unwrap(),
        source_account: "a".parse().unwrap(),
        destination_account: "b".parse().unwrap(),
        amount: "1".parse::<Amount>().unwrap(),
        currency: "INR".parse().unwrap(),
    }
}

/// Commits have taken 400 ms of late.
fn is_slow(admission: &Admission) {
    admission.with(|controller, now| {
        for _ in 0..50 {
            controller.ended(now, now - Duration::from_millis(400));
        }
    });
}

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

#[tokio::test]
async fn a_webhook_whose_answer_would_be_late_is_refused_before_its_commit() {
    let db = database().await;
    let (writer, admission) = start(&db);
    is_slow(&admission);
    admission.with(|controller, now| controller.begins(now));
    let late = writer.receive(webhook("late"), in_ms(250)).await;
    assert_eq!(late, Err(NotCommitted::TooMuch));
    let in_time = writer.receive(webhook("in time"), in_ms(450)).await;
    assert_eq!(in_time, Ok(Receipt::New));
    assert!(
        lifecycle::find(&db, &"late".parse().unwrap())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_late_webhook_is_committed_if_nothing_else_tells_how_the_database_is() {
    let db = database().await;
    let (writer, admission) = start(&db);
    is_slow(&admission);
    let late = writer.receive(webhook("late"), in_ms(250)).await;
    assert_eq!(late, Ok(Receipt::New));
}

#[tokio::test]
async fn whoever_waits_for_a_database_that_hangs_is_answered_in_time() {
    let db = database().await;
    let (writer, _) = start(&db);
    let held = db.begin().await.unwrap();
    let due = in_ms(450);
    let outcome = writer.receive(webhook("one"), due).await;
    assert_eq!(outcome, Err(NotCommitted::InTime));
    let now = Instant::now();
    // On a busy machine a timer is late, too; the database hangs until the end.
    assert!((due..due + Duration::from_secs(5)).contains(&now));
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn far_more_than_one_batch_may_wait() {
    let db = database().await;
    let (writer, _) = start(&db);
    let held = db.begin().await.unwrap();
    let many: Vec<_> = (0..600)
        .map(|n| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.receive(webhook(&n.to_string()), in_ms(450)).await })
        })
        .collect();
    let start = Instant::now();
    while writer.waiting() < 300 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "too few may wait"
        );
        tokio::task::yield_now().await;
    }
    held.rollback().await.unwrap();
    for one in many {
        assert_eq!(one.await.unwrap(), Ok(Receipt::New));
    }
}

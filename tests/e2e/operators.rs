//! What operators do to a service that runs.

use std::time::Duration;

use entity::{
    SourceName,
    lifecycle::{
        self,
        operate::{
            By, Replayed, Retried,
            bulk::{self, Filter},
            pause::{pause, resume},
            replay, retry,
        },
    },
};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use crate::{
    downstream::server::Downstream,
    faults::until,
    harness::{Harness, on_both},
};

const AT_ONCE: Duration = Duration::ZERO;

on_both! {
    what_has_failed_is_retried_under_the_same_key_and_can_be_replayed
    a_bulk_retry_goes_on_by_itself_until_all_are_processed
    a_paused_source_is_taken_in_and_waits
}

fn by() -> By {
    By {
        who: "cli:test".parse().unwrap(),
        reason: "they are back".parse().unwrap(),
    }
}

async fn row_id(db: &DatabaseConnection, transaction_id: &str) -> Uuid {
    let id = transaction_id.parse().unwrap();
    let row = lifecycle::find(db, &SourceName::built_in(), &id)
        .await
        .unwrap();
    row.unwrap().id
}

async fn failed(harness: &Harness, api: &str, transaction_id: &str) {
    let is_failed = async || harness.transaction(api, transaction_id).await["status"] == "FAILED";
    until(is_failed, || {
        format!("{transaction_id} is not FAILED\n{}", harness.running_log())
    })
    .await;
}

async fn start(harness: &mut Harness, downstream: &Downstream) -> String {
    let url = downstream.url.clone();
    harness.environment.insert("PROCESS_URL", url);
    harness.start("").await.url()
}

async fn what_has_failed_is_retried_under_the_same_key_and_can_be_replayed(harness: &mut Harness) {
    harness.dead_letters = 1;
    let downstream = Downstream::start(|number| ([422, 200, 200][number], AT_ONCE)).await;
    let api = start(harness, &downstream).await;
    harness.send(&api, "t1").await;
    failed(harness, &api, "t1").await;
    let db = harness.database().await;
    let id = row_id(&db, "t1").await;
    assert_eq!(retry(&db, id, &by()).await.unwrap(), Retried::Reopened);
    let processed = harness.processed(&api, "t1").await;
    assert_eq!(replay(&db, id, &by()).await.unwrap(), Replayed::Queued);
    until(
        async || downstream.calls().len() == 3,
        || harness.running_log(),
    )
    .await;
    harness.settled().await;
    let again = harness.transaction(&api, "t1").await;
    assert_eq!(again, processed);
    assert_eq!(downstream.attempts_told(), ["1", "2", "3"]);
    let calls = downstream.calls();
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(call.header("idempotency-key"), "t1");
        let marked = call.headers.get("hookline-replay");
        assert_eq!(marked.is_some(), number == 2, "{call:?}");
    }
}

async fn a_bulk_retry_goes_on_by_itself_until_all_are_processed(harness: &mut Harness) {
    harness.dead_letters = 5;
    let downstream =
        Downstream::start(|number| (if number < 5 { 422 } else { 200 }, AT_ONCE)).await;
    let api = start(harness, &downstream).await;
    for number in 0..5 {
        harness.send(&api, &format!("t{number}")).await;
    }
    for number in 0..5 {
        failed(harness, &api, &format!("t{number}")).await;
    }
    let db = harness.database().await;
    let made = bulk::create(&db, &Filter::default(), 50, &by())
        .await
        .unwrap();
    assert_eq!(made.matched, 5);
    let processed = async || {
        let progress = bulk::find(&db, made.id).await.unwrap().unwrap();
        progress.processed == 5
    };
    until(processed, || harness.running_log()).await;
}

async fn a_paused_source_is_taken_in_and_waits(harness: &mut Harness) {
    let downstream = Downstream::start(|_| (200, AT_ONCE)).await;
    let api = start(harness, &downstream).await;
    let db = harness.database().await;
    let source = SourceName::built_in();
    pause(&db, Some(&source), None, &by()).await.unwrap();
    let heard = async || harness.running_log().contains("pauses_changed");
    until(heard, || harness.running_log()).await;
    harness.send(&api, "t1").await;
    let id = row_id(&db, "t1").await;
    let is_parked = async || {
        let place = lifecycle::place::place(&db, id).await.unwrap();
        place.is_some_and(|place| place.parked)
    };
    until(is_parked, || harness.running_log()).await;
    assert_eq!(downstream.calls().len(), 0);
    assert!(resume(&db, Some(&source), &by()).await.unwrap());
    harness.processed(&api, "t1").await;
    assert_eq!(downstream.attempts_told(), ["1"]);
}

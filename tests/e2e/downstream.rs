//! Work that is a call to downstream, and can fail.

pub(crate) mod server;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::Value;

use crate::{
    faults::until,
    harness::{Harness, on_both},
};
use server::{Answer, Downstream};

const AT_ONCE: Duration = Duration::ZERO;

on_both! {
    downstream_is_told_what_the_sender_said
    downstream_is_told_what_else_the_sender_said_and_it_changes_none_of_the_five
    what_fails_is_tried_again_until_it_succeeds
    what_downstream_refuses_is_failed_with_its_reason
    what_fails_at_every_attempt_is_failed_in_the_end
    a_stop_waits_for_the_calls_under_way
    downstream_that_is_down_costs_few_attempts
    a_part_that_always_fails_holds_nobody_up
    a_wave_of_refusals_fails_hardly_anything
    an_outcome_that_the_database_refuses_holds_nobody_up
    downstream_that_limits_the_rate_gets_everything_in_time
}

fn ok(_: usize) -> Answer {
    (200, AT_ONCE)
}

/// Starts everything with this downstream; returns where the API listens.
async fn start(harness: &mut Harness, downstream: &Downstream, schedule: &str) -> String {
    harness
        .environment
        .insert("PROCESS_URL", downstream.url.clone());
    harness
        .environment
        .insert("RETRY_SCHEDULE", schedule.into());
    harness.start("").await.url()
}

async fn attempts(harness: &Harness, api: &str, transaction_id: &str) -> Vec<Value> {
    let url = format!("{api}/v1/transactions/{transaction_id}/attempts");
    let list: Value = harness.get(&url).await.json().await.unwrap();
    list["attempts"].as_array().unwrap().clone()
}

/// Waits until a transaction is given up and returns it.
async fn failed(harness: &Harness, api: &str, transaction_id: &str) -> Value {
    let is_failed = async || harness.transaction(api, transaction_id).await["status"] == "FAILED";
    until(is_failed, || {
        format!("{transaction_id} is not FAILED\n{}", harness.running_log())
    })
    .await;
    harness.transaction(api, transaction_id).await
}

async fn downstream_is_told_what_the_sender_said(harness: &mut Harness) {
    let downstream = Downstream::start(ok).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    harness.environment.insert("PROCESS_SECRET", secret.into());
    let api = start(harness, &downstream, "1s").await;
    let sent = r#"{"transaction_id":"t ü","source_account":"a","destination_account":"b","amount":-123456789012345.6789,"currency":"INR"}"#;
    assert_eq!(harness.post(&api, sent).await.status(), 202);
    let transaction = harness.processed(&api, "t%20%C3%BC").await;
    assert!(transaction.get("failure").is_none());
    let [call] = &downstream.calls()[..] else {
        panic!("{:?}", downstream.calls())
    };
    assert_eq!(call.body, sent);
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("idempotency-key"), "t%20%C3%BC");
    assert_eq!(call.header("hookline-attempt"), "1");
    assert!(call.header("webhook-signature").starts_with("v1,"));
    let [attempt] = &attempts(harness, &api, "t%20%C3%BC").await[..] else {
        panic!("one attempt")
    };
    assert_eq!(attempt["outcome"], "SUCCEEDED");
    assert_eq!(
        (&attempt["number"], &attempt["status"]),
        (&1.into(), &200.into())
    );
    assert_eq!(attempt["error"], Value::Null);
}

async fn downstream_is_told_what_else_the_sender_said_and_it_changes_none_of_the_five(
    harness: &mut Harness,
) {
    let downstream = Downstream::start(ok).await;
    let api = start(harness, &downstream, "1s").await;
    let sent = r#"{"order":{"n":1.10,"big":123456789012345678901234567890},"transaction_id":"t1","source_account":"a","destination_account":"b","amount":1500,"currency":"INR","Amount":1,"note":"\u00fc"}"#;
    assert_eq!(harness.post(&api, sent).await.status(), 202);
    harness.processed(&api, "t1").await;
    let [call] = &downstream.calls()[..] else {
        panic!("{:?}", downstream.calls())
    };
    let told = r#"{"transaction_id":"t1","source_account":"a","destination_account":"b","amount":1500,"currency":"INR","order":{"n":1.10,"big":123456789012345678901234567890},"note":"\u00fc"}"#;
    assert_eq!(call.body, told);
    assert_eq!(call.header("idempotency-key"), "t1");
}

async fn what_fails_is_tried_again_until_it_succeeds(harness: &mut Harness) {
    let downstream = Downstream::start(|number| ([500, 429, 204][number], AT_ONCE)).await;
    let api = start(harness, &downstream, "100ms,200ms").await;
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
    assert_eq!(downstream.attempts_told(), ["1", "2", "3"]);
    assert!(
        downstream
            .calls()
            .iter()
            .all(|call| call.header("idempotency-key") == "t1")
    );
    let attempts = attempts(harness, &api, "t1").await;
    let outcomes: Vec<_> = attempts
        .iter()
        .map(|a| a["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["FAILED", "FAILED", "SUCCEEDED"]);
    let statuses: Vec<_> = attempts
        .iter()
        .map(|a| a["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [500, 429, 204]);
}

async fn what_downstream_refuses_is_failed_with_its_reason(harness: &mut Harness) {
    (harness.failed, harness.dead_letters) = (1, 1);
    let downstream = Downstream::start(|number| ([422, 200][number.min(1)], AT_ONCE)).await;
    let api = start(harness, &downstream, "100ms").await;
    harness.send(&api, "t1").await;
    let transaction = failed(harness, &api, "t1").await;
    assert_eq!(transaction["processed_at"], Value::Null);
    assert_eq!(transaction["failure"]["verdict"], "PERMANENT");
    let reason = transaction["failure"]["reason"].as_str().unwrap();
    assert!(reason.contains("422"), "{reason}");
    // It is final: sending it again does not begin it again.
    let again = harness.send(&api, "t1").await;
    assert_eq!(
        (&again["status"], &again["duplicate"]),
        (&"FAILED".into(), &true.into())
    );
    harness.send(&api, "t2").await;
    harness.processed(&api, "t2").await;
    assert_eq!(downstream.calls().len(), 2);
}

async fn what_fails_at_every_attempt_is_failed_in_the_end(harness: &mut Harness) {
    (harness.failed, harness.dead_letters) = (1, 1);
    let downstream = Downstream::start(|_| (503, AT_ONCE)).await;
    let api = start(harness, &downstream, "50ms,50ms").await;
    harness.send(&api, "t1").await;
    let transaction = failed(harness, &api, "t1").await;
    assert_eq!(transaction["failure"]["verdict"], "EXHAUSTED");
    assert_eq!(attempts(harness, &api, "t1").await.len(), 3);
    assert_eq!(downstream.calls().len(), 3);
}

async fn a_stop_waits_for_the_calls_under_way(harness: &mut Harness) {
    let downstream = Downstream::start(|_| (200, Duration::from_secs(1))).await;
    harness
        .environment
        .insert("PROCESS_URL", downstream.url.clone());
    let mut process = harness.process("").await;
    let api = process.url();
    harness.send(&api, "t1").await;
    until(async || downstream.calls().len() == 1, || "no call".into()).await;
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0));
    let api = harness.start("").await.url();
    let transaction = harness.transaction(&api, "t1").await;
    assert_eq!(transaction["status"], "PROCESSED");
    assert_eq!(downstream.calls().len(), 1);
}

async fn downstream_that_is_down_costs_few_attempts(harness: &mut Harness) {
    let downstream = Downstream::start(|_| (503, AT_ONCE)).await;
    let prefetch = 4;
    harness.environment.insert("PREFETCH", prefetch.to_string());
    let schedule = ["100ms"; 30].join(",");
    let api = start(harness, &downstream, &schedule).await;
    let ids = || (0..50).map(|i| format!("t{i}"));
    harness.send_all(&api, ids()).await;
    let opened = async || harness.running_log().contains("circuit breaker opened");
    until(opened, || harness.running_log()).await;
    let before = downstream.calls().len();
    let probed = async || downstream.calls().len() > before + prefetch;
    until(probed, || "no probe".into()).await;
    // What opened the circuit was charged to its transactions, and nothing since: neither what was under way nor probes.
    // In one look: a row goes from one table to the other.
    let charged = "SELECT CAST(sum(failures) AS integer) FROM \
                   (SELECT failures FROM retries UNION ALL SELECT failures FROM outbox) AS unfinished";
    let db = harness.database().await;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), charged));
    let charged: i32 = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert!(charged < 10, "{charged} attempts were spent");
    downstream.answer(ok);
    for id in ids() {
        harness.processed(&api, &id).await;
    }
}

async fn a_part_that_always_fails_holds_nobody_up(harness: &mut Harness) {
    let downstream = Downstream::start_by_key(|key| match key.starts_with("bad") {
        true => (500, AT_ONCE),
        false => (200, AT_ONCE),
    })
    .await;
    let schedule = ["100ms"; 30].join(",");
    let api = start(harness, &downstream, &schedule).await;
    harness
        .send_all(&api, (0..60).map(|i| format!("bad{i}")))
        .await;
    let since = Instant::now();
    harness
        .send_all(&api, (0..30).map(|i| format!("good{i}")))
        .await;
    for i in 0..30 {
        harness.processed(&api, &format!("good{i}")).await;
    }
    // The circuit opens, for they come one after the other, and has found the others after 1 + 2 + 2 + 2 s at most; the
    // rest is for a busy machine. The last of the others is tried no later.
    let took = since.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    downstream.answer(ok);
    for i in 0..60 {
        harness.processed(&api, &format!("bad{i}")).await;
    }
}

async fn a_wave_of_refusals_fails_hardly_anything(harness: &mut Harness) {
    let downstream = Downstream::start(|_| (404, AT_ONCE)).await;
    harness.environment.insert("PREFETCH", "4".into());
    let api = start(harness, &downstream, "100ms").await;
    harness
        .send_all(&api, (0..100).map(|i| format!("t{i}")))
        .await;
    let opened = async || harness.running_log().contains("circuit breaker opened");
    until(opened, || harness.running_log()).await;
    downstream.answer(ok);
    let statuses = async || {
        let mut counts = (0, 0);
        for i in 0..100 {
            match harness.transaction(&api, &format!("t{i}")).await["status"].as_str() {
                Some("PROCESSED") => counts.0 += 1,
                Some("FAILED") => counts.1 += 1,
                _ => {}
            }
        }
        counts
    };
    let all_final = async || {
        let (processed, failed) = statuses().await;
        processed + failed == 100
    };
    until(all_final, || "not all of them are final".into()).await;
    // Those that came before anybody could know.
    let (_, failed) = statuses().await;
    assert_eq!(failed, 5);
    (harness.failed, harness.dead_letters) = (5, 5);
}

/// They are committed together, and a refused statement refuses all of them.
async fn an_outcome_that_the_database_refuses_holds_nobody_up(harness: &mut Harness) {
    (harness.failed, harness.dead_letters) = (1, 1);
    let downstream = Downstream::start_by_key(|key| match key {
        "odd" => (418, AT_ONCE),
        _ => (200, AT_ONCE),
    })
    .await;
    let api = start(harness, &downstream, "100ms").await;
    let db = harness.database().await;
    let refuse = match db.get_database_backend() {
        DbBackend::Postgres => {
            "ALTER TABLE attempts ADD CONSTRAINT no_teapots CHECK (status <> 418)"
        }
        _ => {
            "CREATE TRIGGER no_teapots BEFORE INSERT ON attempts WHEN NEW.status = 418 \
             BEGIN SELECT RAISE(ABORT, 'no teapots'); END"
        }
    };
    db.execute_unprepared(refuse).await.unwrap();
    harness.send(&api, "odd").await;
    let ids = || (0..50).map(|i| format!("t{i}"));
    harness.send_all(&api, ids()).await;
    for id in ids() {
        harness.processed(&api, &id).await;
    }
    let is_told = async || {
        harness
            .running_log()
            .contains("an outcome cannot be recorded")
    };
    until(is_told, || harness.running_log()).await;
    assert_eq!(
        harness.transaction(&api, "odd").await["status"],
        "PROCESSING"
    );
    let allow = match db.get_database_backend() {
        DbBackend::Postgres => "ALTER TABLE attempts DROP CONSTRAINT no_teapots",
        _ => "DROP TRIGGER no_teapots",
    };
    db.execute_unprepared(allow).await.unwrap();
    failed(harness, &api, "odd").await;
}

async fn downstream_that_limits_the_rate_gets_everything_in_time(harness: &mut Harness) {
    let began = Instant::now();
    let taken = AtomicU64::new(0);
    // Twenty at first and twenty a second.
    let downstream = Downstream::start(move |_| {
        let allowed = 20.0 + 20.0 * began.elapsed().as_secs_f64();
        match (taken.load(Ordering::Relaxed) as f64) < allowed {
            true => {
                taken.fetch_add(1, Ordering::Relaxed);
                (200, AT_ONCE)
            }
            false => (429, AT_ONCE),
        }
    })
    .await;
    // Nothing is spent: there is no second attempt in this schedule that anybody could wait for.
    let api = start(harness, &downstream, "10m").await;
    harness
        .send_all(&api, (0..100).map(|i| format!("t{i}")))
        .await;
    for i in 0..100 {
        harness.processed(&api, &format!("t{i}")).await;
    }
}

/// Servers only: the embedded service has one process, and all of it dies.
mod servers_only {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
    async fn a_call_whose_consumer_is_killed_is_made_again_as_another_attempt() {
        let mut harness = Harness::on_servers().await;
        let downstream = Downstream::start(|number| match number {
            0 => (200, Duration::from_secs(600)),
            _ => ok(number),
        })
        .await;
        harness
            .environment
            .insert("PROCESS_URL", downstream.url.clone());
        let process = harness.process("").await;
        harness.send(&process.url(), "t1").await;
        until(async || downstream.calls().len() == 1, || "no call".into()).await;
        process.kill().await;
        let api = harness.start("").await.url();
        harness.processed(&api, "t1").await;
        assert_eq!(downstream.attempts_told(), ["1", "2"]);
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
    async fn what_was_there_at_too_many_deaths_is_poison_and_its_neighbour_is_processed() {
        use sea_orm::ConnectionTrait;
        let mut harness = Harness::on_servers().await;
        (harness.failed, harness.dead_letters) = (1, 1);
        harness
            .environment
            .insert("PROCESSING_DELAY", "600s".into());
        let process = harness.process("").await;
        harness.send(&process.url(), "t1").await;
        harness.send(&process.url(), "t2").await;
        let db = harness.database().await;
        let held = "UPDATE outbox SET crashes = 19 WHERE holder IS NOT NULL";
        let both = async || db.execute_unprepared(held).await.unwrap().rows_affected() == 2;
        until(both, || "they are not taken".into()).await;
        let innocent = "UPDATE outbox SET crashes = 12 WHERE id = (SELECT id FROM transactions WHERE transaction_id = 't2')";
        db.execute_unprepared(innocent).await.unwrap();
        process.kill().await;
        harness
            .environment
            .insert("PROCESSING_DELAY", "100ms".into());
        let api = harness.start("").await.url();
        let transaction = failed(&harness, &api, "t1").await;
        assert_eq!(transaction["failure"]["verdict"], "POISON");
        harness.processed(&api, "t2").await;
    }
}

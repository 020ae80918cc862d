//! Work that is a call to the far side, and can fail.

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
    house::{House, on_both},
};
use server::{Answer, FarSide};

const AT_ONCE: Duration = Duration::ZERO;

on_both! {
    the_far_side_is_told_what_the_sender_said
    what_fails_is_tried_again_until_it_succeeds
    what_the_far_side_refuses_is_failed_with_its_reason
    what_fails_at_every_attempt_is_failed_in_the_end
    a_stop_waits_for_the_calls_under_way
    a_far_side_that_is_down_costs_few_attempts
    a_part_that_always_fails_holds_nobody_up
    a_wave_of_refusals_fails_hardly_anything
    an_outcome_that_the_database_refuses_holds_nobody_up
    a_far_side_that_limits_the_rate_gets_everything_in_time
}

fn ok(_: usize) -> Answer {
    (200, AT_ONCE)
}

/// Starts everything with this far side; returns where the API listens.
async fn start(house: &mut House, far_side: &FarSide, schedule: &str) -> String {
    house
        .environment
        .insert("PROCESS_URL", far_side.url.clone());
    house.environment.insert("RETRY_SCHEDULE", schedule.into());
    house.start("").await.url()
}

async fn attempts(house: &House, api: &str, transaction_id: &str) -> Vec<Value> {
    let url = format!("{api}/v1/transactions/{transaction_id}/attempts");
    let list: Value = house.get(&url).await.json().await.unwrap();
    list["attempts"].as_array().unwrap().clone()
}

/// Waits until a transaction is given up and returns it.
async fn failed(house: &House, api: &str, transaction_id: &str) -> Value {
    let is_failed = async || house.transaction(api, transaction_id).await["status"] == "FAILED";
    until(is_failed, || {
        format!("{transaction_id} is not FAILED\n{}", house.running_log())
    })
    .await;
    house.transaction(api, transaction_id).await
}

async fn the_far_side_is_told_what_the_sender_said(house: &mut House) {
    let far_side = FarSide::start(ok).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    house.environment.insert("PROCESS_SECRET", secret.into());
    let api = start(house, &far_side, "1s").await;
    let sent = r#"{"transaction_id":"t ü","source_account":"a","destination_account":"b","amount":-123456789012345.6789,"currency":"INR"}"#;
    assert_eq!(house.post(&api, sent).await.status(), 202);
    let transaction = house.processed(&api, "t%20%C3%BC").await;
    assert!(transaction.get("failure").is_none());
    let [call] = &far_side.calls()[..] else {
        panic!("{:?}", far_side.calls())
    };
    assert_eq!(call.body, sent);
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("idempotency-key"), "t%20%C3%BC");
    assert_eq!(call.header("hookline-attempt"), "1");
    assert!(call.header("webhook-signature").starts_with("v1,"));
    let [attempt] = &attempts(house, &api, "t%20%C3%BC").await[..] else {
        panic!("one attempt")
    };
    assert_eq!(attempt["outcome"], "SUCCEEDED");
    assert_eq!(
        (&attempt["number"], &attempt["status"]),
        (&1.into(), &200.into())
    );
    assert_eq!(attempt["error"], Value::Null);
}

async fn what_fails_is_tried_again_until_it_succeeds(house: &mut House) {
    let far_side = FarSide::start(|number| ([500, 429, 204][number], AT_ONCE)).await;
    let api = start(house, &far_side, "100ms,200ms").await;
    house.send(&api, "t1").await;
    house.processed(&api, "t1").await;
    assert_eq!(far_side.attempts_told(), ["1", "2", "3"]);
    assert!(
        far_side
            .calls()
            .iter()
            .all(|call| call.header("idempotency-key") == "t1")
    );
    let attempts = attempts(house, &api, "t1").await;
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

async fn what_the_far_side_refuses_is_failed_with_its_reason(house: &mut House) {
    (house.failed, house.dead_letters) = (1, 1);
    let far_side = FarSide::start(|number| ([422, 200][number.min(1)], AT_ONCE)).await;
    let api = start(house, &far_side, "100ms").await;
    house.send(&api, "t1").await;
    let transaction = failed(house, &api, "t1").await;
    assert_eq!(transaction["processed_at"], Value::Null);
    assert_eq!(transaction["failure"]["verdict"], "PERMANENT");
    let reason = transaction["failure"]["reason"].as_str().unwrap();
    assert!(reason.contains("422"), "{reason}");
    // It is final: sending it again does not begin it again.
    let again = house.send(&api, "t1").await;
    assert_eq!(
        (&again["status"], &again["duplicate"]),
        (&"FAILED".into(), &true.into())
    );
    house.send(&api, "t2").await;
    house.processed(&api, "t2").await;
    assert_eq!(far_side.calls().len(), 2);
}

async fn what_fails_at_every_attempt_is_failed_in_the_end(house: &mut House) {
    (house.failed, house.dead_letters) = (1, 1);
    let far_side = FarSide::start(|_| (503, AT_ONCE)).await;
    let api = start(house, &far_side, "50ms,50ms").await;
    house.send(&api, "t1").await;
    let transaction = failed(house, &api, "t1").await;
    assert_eq!(transaction["failure"]["verdict"], "EXHAUSTED");
    assert_eq!(attempts(house, &api, "t1").await.len(), 3);
    assert_eq!(far_side.calls().len(), 3);
}

async fn a_stop_waits_for_the_calls_under_way(house: &mut House) {
    let far_side = FarSide::start(|_| (200, Duration::from_secs(1))).await;
    house
        .environment
        .insert("PROCESS_URL", far_side.url.clone());
    let mut process = house.process("").await;
    let api = process.url();
    house.send(&api, "t1").await;
    until(async || far_side.calls().len() == 1, || "no call".into()).await;
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0));
    let api = house.start("").await.url();
    let transaction = house.transaction(&api, "t1").await;
    assert_eq!(transaction["status"], "PROCESSED");
    assert_eq!(far_side.calls().len(), 1);
}

async fn a_far_side_that_is_down_costs_few_attempts(house: &mut House) {
    let far_side = FarSide::start(|_| (503, AT_ONCE)).await;
    let prefetch = 4;
    house.environment.insert("PREFETCH", prefetch.to_string());
    let schedule = ["100ms"; 30].join(",");
    let api = start(house, &far_side, &schedule).await;
    let ids = || (0..50).map(|i| format!("t{i}"));
    house.send_all(&api, ids()).await;
    let opened = async || house.running_log().contains("circuit breaker opened");
    until(opened, || house.running_log()).await;
    let before = far_side.calls().len();
    let probed = async || far_side.calls().len() > before + prefetch;
    until(probed, || "no probe".into()).await;
    // What opened the circuit was charged to its transactions, and nothing since: neither what was under way nor probes.
    // In one look: a row goes from one table to the other.
    let charged = "SELECT CAST(sum(failures) AS integer) FROM \
                   (SELECT failures FROM retries UNION ALL SELECT failures FROM outbox) AS unfinished";
    let db = house.database().await;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), charged));
    let charged: i32 = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert!(charged < 10, "{charged} attempts were spent");
    far_side.answer(ok);
    for id in ids() {
        house.processed(&api, &id).await;
    }
}

async fn a_part_that_always_fails_holds_nobody_up(house: &mut House) {
    let far_side = FarSide::start_by_key(|key| match key.starts_with("bad") {
        true => (500, AT_ONCE),
        false => (200, AT_ONCE),
    })
    .await;
    let schedule = ["100ms"; 30].join(",");
    let api = start(house, &far_side, &schedule).await;
    house
        .send_all(&api, (0..60).map(|i| format!("bad{i}")))
        .await;
    let since = Instant::now();
    house
        .send_all(&api, (0..30).map(|i| format!("good{i}")))
        .await;
    for i in 0..30 {
        house.processed(&api, &format!("good{i}")).await;
    }
    // The circuit opens, for they come one after the other, and has found the others after 1 + 2 + 2 + 2 s at most; the
    // rest is for a busy machine. The last of the others is tried no later.
    let took = since.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    far_side.answer(ok);
    for i in 0..60 {
        house.processed(&api, &format!("bad{i}")).await;
    }
}

async fn a_wave_of_refusals_fails_hardly_anything(house: &mut House) {
    let far_side = FarSide::start(|_| (404, AT_ONCE)).await;
    house.environment.insert("PREFETCH", "4".into());
    let api = start(house, &far_side, "100ms").await;
    house
        .send_all(&api, (0..100).map(|i| format!("t{i}")))
        .await;
    let opened = async || house.running_log().contains("circuit breaker opened");
    until(opened, || house.running_log()).await;
    far_side.answer(ok);
    let statuses = async || {
        let mut counts = (0, 0);
        for i in 0..100 {
            match house.transaction(&api, &format!("t{i}")).await["status"].as_str() {
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
    (house.failed, house.dead_letters) = (5, 5);
}

/// They are committed together, and a refused statement refuses all of them.
async fn an_outcome_that_the_database_refuses_holds_nobody_up(house: &mut House) {
    (house.failed, house.dead_letters) = (1, 1);
    let far_side = FarSide::start_by_key(|key| match key {
        "odd" => (418, AT_ONCE),
        _ => (200, AT_ONCE),
    })
    .await;
    let api = start(house, &far_side, "100ms").await;
    let db = house.database().await;
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
    house.send(&api, "odd").await;
    let ids = || (0..50).map(|i| format!("t{i}"));
    house.send_all(&api, ids()).await;
    for id in ids() {
        house.processed(&api, &id).await;
    }
    let is_told = async || {
        house
            .running_log()
            .contains("an outcome cannot be recorded")
    };
    until(is_told, || house.running_log()).await;
    assert_eq!(house.transaction(&api, "odd").await["status"], "PROCESSING");
    let allow = match db.get_database_backend() {
        DbBackend::Postgres => "ALTER TABLE attempts DROP CONSTRAINT no_teapots",
        _ => "DROP TRIGGER no_teapots",
    };
    db.execute_unprepared(allow).await.unwrap();
    failed(house, &api, "odd").await;
}

async fn a_far_side_that_limits_the_rate_gets_everything_in_time(house: &mut House) {
    let began = Instant::now();
    let taken = AtomicU64::new(0);
    // Twenty at first and twenty a second.
    let far_side = FarSide::start(move |_| {
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
    let api = start(house, &far_side, "10m").await;
    house
        .send_all(&api, (0..100).map(|i| format!("t{i}")))
        .await;
    for i in 0..100 {
        house.processed(&api, &format!("t{i}")).await;
    }
}

/// Servers only: the embedded service has one process, and all of it dies.
mod servers_only {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
    async fn a_call_whose_consumer_is_killed_is_made_again_as_another_attempt() {
        let mut house = House::on_servers().await;
        let far_side = FarSide::start(|number| match number {
            0 => (200, Duration::from_secs(600)),
            _ => ok(number),
        })
        .await;
        house
            .environment
            .insert("PROCESS_URL", far_side.url.clone());
        let process = house.process("").await;
        house.send(&process.url(), "t1").await;
        until(async || far_side.calls().len() == 1, || "no call".into()).await;
        process.kill().await;
        let api = house.start("").await.url();
        house.processed(&api, "t1").await;
        assert_eq!(far_side.attempts_told(), ["1", "2"]);
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
    async fn what_was_there_at_too_many_deaths_is_poison_and_its_neighbour_is_processed() {
        use sea_orm::ConnectionTrait;
        let mut house = House::on_servers().await;
        (house.failed, house.dead_letters) = (1, 1);
        house.environment.insert("PROCESSING_DELAY", "600s".into());
        let process = house.process("").await;
        house.send(&process.url(), "t1").await;
        house.send(&process.url(), "t2").await;
        let db = house.database().await;
        let held = "UPDATE outbox SET crashes = 19 WHERE holder IS NOT NULL";
        let both = async || db.execute_unprepared(held).await.unwrap().rows_affected() == 2;
        until(both, || "they are not taken".into()).await;
        let innocent = "UPDATE outbox SET crashes = 12 WHERE id = (SELECT id FROM transactions WHERE transaction_id = 't2')";
        db.execute_unprepared(innocent).await.unwrap();
        process.kill().await;
        house.environment.insert("PROCESSING_DELAY", "100ms".into());
        let api = house.start("").await.url();
        let transaction = failed(&house, &api, "t1").await;
        assert_eq!(transaction["failure"]["verdict"], "POISON");
        house.processed(&api, "t2").await;
    }
}

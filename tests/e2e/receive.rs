//! The contract's good cases.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Harness, on_both, webhook};

on_both! {
    a_webhook_is_accepted_looked_up_and_processed
    a_repeated_webhook_is_accepted_and_changes_nothing
    other_content_under_a_known_id_is_accepted_and_kept_apart
    two_hundred_concurrent_repeats_make_one_row_and_one_processing
    an_unknown_transaction_is_not_found
    an_amount_comes_back_equal
    an_id_of_any_text_can_be_looked_up_where_the_location_says
    the_health_endpoints_answer
    a_thousand_webhooks_are_all_processed
}

async fn a_webhook_is_accepted_looked_up_and_processed(harness: &mut Harness) {
    harness.environment.insert("PROCESSING_DELAY", "1s".into());
    let api = harness.start("").await.url();
    let response = harness.post(&api, webhook("txn_abc123").to_string()).await;
    assert_eq!(response.status(), 202);
    assert_eq!(
        response.headers()["location"],
        "/v1/transactions/txn_abc123"
    );
    assert_eq!(response.headers()["content-type"], "application/json");
    let accepted: Value = response.json().await.unwrap();
    assert_eq!(
        accepted,
        json!({"transaction_id": "txn_abc123", "status": "PROCESSING", "duplicate": false, "conflict": false})
    );
    let mut before = harness.transaction(&api, "txn_abc123").await;
    let created_at = before["created_at"].take();
    assert!(created_at.as_str().unwrap().ends_with('Z'), "{created_at}");
    let mut expected = webhook("txn_abc123");
    expected["status"] = "PROCESSING".into();
    expected["created_at"] = Value::Null;
    expected["processed_at"] = Value::Null;
    assert_eq!(before, expected);

    let mut after = harness.processed(&api, "txn_abc123").await;
    assert_eq!(after["created_at"].take(), created_at);
    assert!(after["processed_at"].take().as_str().unwrap() > created_at.as_str().unwrap());
    expected["status"] = "PROCESSED".into();
    assert_eq!(after, expected);
}

async fn a_repeated_webhook_is_accepted_and_changes_nothing(harness: &mut Harness) {
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    let first = harness.processed(&api, "t1").await;
    let again = harness.send(&api, "t1").await;
    assert_eq!(
        again,
        json!({"transaction_id": "t1", "status": "PROCESSED", "duplicate": true, "conflict": false})
    );
    assert_eq!(harness.transaction(&api, "t1").await, first);
    assert_eq!(
        (harness.rows().await, harness.conflicts().await.len()),
        (1, 0)
    );
}

async fn other_content_under_a_known_id_is_accepted_and_kept_apart(harness: &mut Harness) {
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    let mut other = webhook("t1");
    other["destination_account"] = "acc_thief".into();
    let response = harness.post(&api, other.to_string()).await;
    assert_eq!(response.status(), 202);
    let accepted: Value = response.json().await.unwrap();
    assert_eq!(
        (&accepted["duplicate"], &accepted["conflict"]),
        (&json!(true), &json!(true))
    );
    // The same value in another form is no conflict.
    let same = webhook("t1").to_string().replace("1500", "1.50000e3");
    let accepted: Value = harness.post(&api, same).await.json().await.unwrap();
    assert_eq!(accepted["conflict"], false);
    let standing = harness.processed(&api, "t1").await;
    assert_eq!(standing["destination_account"], "acc_merchant_1");
    let kept = harness.conflicts().await;
    assert_eq!(kept.len(), 1);
    let destination = kept[0].destination_account.as_ref();
    assert_eq!(destination.map(AsRef::as_ref), Some("acc_thief"));
}

async fn two_hundred_concurrent_repeats_make_one_row_and_one_processing(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let answers = (0..200).map(|_| harness.send(&api, "t1"));
    let answers = futures::future::join_all(answers).await;
    let firsts = answers.iter().filter(|answer| answer["duplicate"] == false);
    assert_eq!(firsts.count(), 1);
    let first = harness.processed(&api, "t1").await;
    harness.settled().await;
    assert_eq!(harness.transaction(&api, "t1").await, first);
    assert_eq!(harness.rows().await, 1);
}

async fn an_unknown_transaction_is_not_found(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let long = "x".repeat(10_000);
    for id in [
        "nobody",
        "a%00b",
        "%ff%fe",
        "..%2f..",
        "%2e%2e",
        "a%0ab",
        long.as_str(),
    ] {
        let response = harness.get(&format!("{api}/v1/transactions/{id}")).await;
        assert_eq!(response.status(), 404, "{id:.20}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], 404);
    }
}

/// A property of the whole service: an amount in, the same value out, digit by digit.
async fn an_amount_comes_back_equal(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let mut runner = TestRunner::new(Config::default());
    let amount = (
        -999_999_999_999_999_i64..=999_999_999_999_999,
        0_u32..=9999,
        any::<bool>(),
    );
    for case in 0..60 {
        let (whole, fraction, exponent) = amount.new_tree(&mut runner).unwrap().current();
        let text = match exponent {
            true => format!("{whole}{fraction:04}e-4"),
            false => format!("{whole}.{fraction:04}"),
        };
        let id = format!("t{case}");
        let body = webhook(&id).to_string().replace("1500", &text);
        assert_eq!(harness.post(&api, body).await.status(), 202, "{text}");
        let url = format!("{api}/v1/transactions/{id}");
        let answer = harness.get(&url).await.text().await.unwrap();
        let (_, rest) = answer.split_once("\"amount\":").unwrap();
        let (returned, _) = rest.split_once(',').unwrap();
        let value = |text: &str| text.parse::<entity::Amount>().unwrap();
        assert_eq!(
            value(returned),
            value(&text),
            "{text} came back as {returned}"
        );
    }
}

async fn an_id_of_any_text_can_be_looked_up_where_the_location_says(harness: &mut Harness) {
    let api = harness.start("").await.url();
    for id in [
        "a/b?c#d",
        "100%",
        "₹ ünï 🦀",
        "a b+c",
        "%2F",
        "'; DROP TABLE transactions; --",
    ] {
        let response = harness.post(&api, webhook(id).to_string()).await;
        assert_eq!(response.status(), 202, "{id}");
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let response = harness.get(&format!("{api}{location}")).await;
        assert_eq!(response.status(), 200, "{id}: {location}");
        let found: Value = response.json().await.unwrap();
        assert_eq!(found["transaction_id"], id);
    }
}

async fn the_health_endpoints_answer(harness: &mut Harness) {
    let api = harness.start("").await.url();
    for path in ["/", "/healthz"] {
        let health: Value = harness
            .get(&format!("{api}{path}"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(health["status"], "HEALTHY");
        assert!(health["current_time"].as_str().unwrap().ends_with('Z'));
    }
    let since = std::time::Instant::now();
    while harness.get(&format!("{api}/readyz")).await.status() != 200 {
        assert!(since.elapsed() < crate::processes::SOON);
    }
}

async fn a_thousand_webhooks_are_all_processed(harness: &mut Harness) {
    let api = harness.start("").await.url();
    harness
        .send_all(&api, (0..1000).map(|i| format!("t{i}")))
        .await;
    harness.settled().await;
    assert_eq!(harness.rows().await, 1000);
}

/// Some simple clients say with it that this was all.
#[tokio::test]
async fn a_sender_that_closes_its_side_after_a_webhook_still_gets_the_answer() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let address = api.strip_prefix("http://").unwrap();
    let body = webhook("t1").to_string();
    let length = body.len();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /v1/webhooks/transactions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

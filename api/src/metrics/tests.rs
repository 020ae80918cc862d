//! What is counted is what was sent.

use std::time::{Duration, Instant};

use poem::{Body, http::Method};
use sea_orm::TransactionTrait as _;

use super::*;
use crate::{
    BUILT_IN, Sender,
    scene::service::{OK, Service, request, sender},
    writer::{Group, NotCommitted},
};

/// The value of one series; `None` if it is not there.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

async fn scraped(service: &Service) -> String {
    let answer = service.get("/metrics").await;
    assert_eq!(answer.status, OK, "{answer:?}");
    let content_type = answer.header("content-type").unwrap();
    assert!(content_type.starts_with("text/plain"), "{content_type}");
    String::from_utf8(answer.body).unwrap()
}

/// Sends a webhook of the built-in source; returns the answer's status.
async fn send(service: &Service, body: &str) -> u16 {
    let json = [("content-type", "application/json")];
    let path = "/v1/webhooks/transactions";
    let body = Body::from_string(body.to_owned());
    service
        .ask(request(Method::POST, path, &json, body))
        .await
        .status
}

fn webhook(amount: u32) -> String {
    format!(
        r#"{{"transaction_id":"t","source_account":"a","destination_account":"b","amount":{amount},"currency":"INR"}}"#
    )
}

/// Webhooks of every outcome, to a source and to the built-in one.
async fn traffic(service: &Service) {
    let genuine = r#"{"id":"evt_1","type":"t"}"#;
    for body in [genuine, genuine, r#"{"id":"evt_1","type":"other"}"#] {
        assert_eq!(service.send("stripe", body).await.status, OK);
    }
    assert_eq!(service.send("stripe", "no json").await.status, 422);
    for headers in [&[][..], &[("stripe-signature", "t=1,v1=00")]] {
        assert_eq!(service.post("stripe", headers, genuine).await.status, 401);
    }
    // The longest that it may send is 256 KiB.
    assert_eq!(
        service
            .post("stripe", &[], vec![b' '; 300_000])
            .await
            .status,
        413
    );
    assert_eq!(service.post("made-up", &[], genuine).await.status, 404);
    for (body, status) in [
        (webhook(1), 202),
        (webhook(1), 202),
        (webhook(2), 202),
        ("{}".to_owned(), 422),
        ("no json".to_owned(), 400),
    ] {
        assert_eq!(send(service, &body).await, status, "{body}");
    }
    // Nobody sends a webhook with it.
    service.get("/v1/webhooks/stripe").await;
}

#[tokio::test]
async fn what_became_of_each_webhook_is_counted_once_and_where_it_came_from() {
    let service = Service::new([sender("stripe", "stripe")]).await;
    traffic(&service).await;
    let text = scraped(&service).await;
    for (source, outcome, count) in [
        ("stripe", "accepted", 1.0),
        ("stripe", "duplicate", 1.0),
        ("stripe", "conflict", 1.0),
        ("stripe", "unauthenticated", 2.0),
        ("stripe", "invalid", 2.0),
        ("stripe", "shed", 0.0),
        ("stripe", "not_committed", 0.0),
        (BUILT_IN, "accepted", 1.0),
        (BUILT_IN, "duplicate", 1.0),
        (BUILT_IN, "conflict", 1.0),
        (BUILT_IN, "unauthenticated", 0.0),
        (BUILT_IN, "invalid", 2.0),
    ] {
        let series =
            format!("hookline_webhooks_total{{source=\"{source}\",outcome=\"{outcome}\"}}");
        assert_eq!(value(&text, &series), Some(count), "{series}\n{text}");
    }
    for (result, secret, count) in [
        ("ok", "1", 3.0),
        ("missing_header", "", 1.0),
        ("stale", "", 0.0),
        ("mismatch", "", 1.0),
        ("unreadable", "", 1.0),
    ] {
        let series = format!(
            "hookline_verifications_total{{source=\"stripe\",result=\"{result}\",secret=\"{secret}\"}}"
        );
        assert_eq!(value(&text, &series), Some(count), "{series}\n{text}");
    }
    for (source, answer, count) in [
        ("stripe", "accepted", 3.0),
        ("stripe", "refused", 4.0),
        ("stripe", "shed", 0.0),
        (BUILT_IN, "accepted", 3.0),
        (BUILT_IN, "refused", 2.0),
    ] {
        let series =
            format!("hookline_ack_seconds_count{{source=\"{source}\",answer=\"{answer}\"}}");
        assert_eq!(value(&text, &series), Some(count), "{series}\n{text}");
    }
    // Each was sent when the one before was answered.
    assert_eq!(value(&text, "hookline_commit_rows_count"), Some(6.0));
    assert_eq!(value(&text, "hookline_commit_rows_sum"), Some(6.0));
    assert_eq!(
        value(&text, "hookline_waiting{place=\"writer\"}"),
        Some(0.0)
    );
    assert!(!text.contains("made-up"), "{text}");
}

#[tokio::test]
async fn what_was_not_answered_in_time_and_committed_after_all_is_counted_as_both() {
    let service = Service::new([]).await;
    let sources = service.ways.gate.sources();
    let metrics = sources.built_in_metrics();
    // It is the only connection.
    let held = service.db.begin().await.unwrap();
    let due = Instant::now() + Duration::from_millis(50);
    let webhook = Group::one(crate::scene::webhook("late"));
    let received = service
        .ways
        .writer
        .receive(webhook, due, metrics, None)
        .await;
    assert_eq!(received, Err(NotCommitted::InTime));
    let of = |text: &str, outcome: &str| {
        let series =
            format!("hookline_webhooks_total{{source=\"{BUILT_IN}\",outcome=\"{outcome}\"}}");
        value(text, &series).unwrap()
    };
    let text = scraped(&service).await;
    assert_eq!(
        (of(&text, "not_committed"), of(&text, "accepted")),
        (1.0, 0.0)
    );
    held.rollback().await.unwrap();
    while of(&scraped(&service).await, "accepted") < 1.0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn times_of_many_sources_are_not_told_apart() {
    let names: Vec<String> = (0..SOURCES_APART_MAX).map(|at| format!("s{at}")).collect();
    let senders = |count: usize| -> Vec<Sender> {
        let names = names.iter().take(count);
        names.map(|name| sender(name, "stripe")).collect()
    };
    let few = Service::new(senders(SOURCES_APART_MAX - 1)).await;
    assert_eq!(few.send("s0", r#"{"id":"e"}"#).await.status, OK);
    let text = scraped(&few).await;
    let apart = "hookline_ack_seconds_count{source=\"s0\",answer=\"accepted\"}";
    assert_eq!(value(&text, apart), Some(1.0), "{text}");
    let many = Service::new(senders(SOURCES_APART_MAX)).await;
    for source in ["s0", "s7"] {
        assert_eq!(many.send(source, r#"{"id":"e"}"#).await.status, OK);
    }
    let text = scraped(&many).await;
    assert_eq!(value(&text, apart), None, "{text}");
    let together = "hookline_ack_seconds_count{answer=\"accepted\"}";
    assert_eq!(value(&text, together), Some(2.0), "{text}");
}

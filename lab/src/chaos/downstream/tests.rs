//! The fake downstream records what was said to it, and ends a call whose caller has gone.

use std::time::Duration;

use super::{Downstream, Manners, REFUSED, hash};
use crate::chaos::check::calls::{again, brushed_off, overlaps, refused, repeats, sick};

const GOOD: Manners = Manners::good(Duration::ZERO);

async fn with(manners: Manners) -> Downstream {
    Downstream::start(1, manners).await.unwrap()
}

async fn call(downstream: &Downstream, key: &str) -> Result<u16, reqwest::Error> {
    call_with(&reqwest::Client::new(), downstream, key).await
}

async fn call_with(
    http: &reqwest::Client,
    downstream: &Downstream,
    key: &str,
) -> Result<u16, reqwest::Error> {
    let request = http
        .post(format!("http://{}/", downstream.address()))
        .header("idempotency-key", key)
        .header("hookline-attempt", "2")
        .body("{}");
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn a_call_is_for_the_transaction_that_its_body_names_by_whosever_it_is() {
    let downstream = with(GOOD).await;
    let http = reqwest::Client::new();
    for (source, body, key) in [
        (None, r#"{"transaction_id":"a","id":"b"}"#, Some("a")),
        (
            Some("stripe"),
            r#"{"transaction_id":"a","id":"b"}"#,
            Some("stripe:b"),
        ),
        (Some("stripe"), "no JSON", None),
    ] {
        let mut request = http.post(format!("http://{}/", downstream.address()));
        if let Some(source) = source {
            request = request.header("hookline-source", source);
        }
        request.body(body).send().await.unwrap();
        let call = downstream.calls().pop().unwrap();
        assert_eq!(call.transaction.as_deref(), key);
        assert_eq!(call.bytes, Some(hash(body.as_bytes())));
    }
}

#[tokio::test]
async fn every_call_is_recorded_with_its_key_its_attempt_and_its_answer() {
    let downstream = with(GOOD).await;
    assert_eq!(call(&downstream, "a").await.unwrap(), 200);
    let some = &[(1.0, Some(500))];
    downstream.set(Manners { some, ..GOOD });
    assert_eq!(call(&downstream, "a").await.unwrap(), 500);
    let some = &[(1.0, None)];
    downstream.set(Manners { some, ..GOOD });
    assert!(call(&downstream, "b").await.is_err());
    let calls = downstream.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.key.as_str(), call.attempt.as_deref(), call.status))
        .collect();
    let two = Some("2");
    assert_eq!(
        told,
        [
            ("a", two, Some(200)),
            ("a", two, Some(500)),
            ("b", two, None)
        ]
    );
    assert!(calls.iter().all(|call| call.ended.is_some()));
    assert_eq!((overlaps(&calls), repeats(&calls)), (0, 1));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_call() {
    let downstream = with(Manners::good(Duration::from_secs(60))).await;
    let patience = Duration::from_millis(200);
    let left = tokio::time::timeout(patience, call(&downstream, "a")).await;
    assert!(left.is_err());
    let ended = async {
        while downstream.calls().iter().any(|call| call.ended.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .unwrap();
    assert_eq!(downstream.calls()[0].status, None);
}

#[tokio::test]
async fn a_sick_part_of_the_keys_fails_every_time_and_no_other_does() {
    let for_some_keys = (0.5, 500);
    let downstream = with(Manners {
        for_some_keys,
        ..GOOD
    })
    .await;
    let mut failed = Vec::new();
    for key in 0..20 {
        let key = key.to_string();
        let first = call(&downstream, &key).await.unwrap();
        assert_eq!(call(&downstream, &key).await.unwrap(), first);
        if first == 500 {
            failed.push(key);
        }
    }
    assert!((1..20).contains(&failed.len()), "{failed:?}");
    failed.sort_unstable();
    assert_eq!(
        sick(&downstream.calls()).into_iter().collect::<Vec<_>>(),
        failed
    );
}

#[tokio::test]
async fn what_is_brushed_off_is_told_from_what_is_refused_and_what_comes_again_from_the_first() {
    let brush_off = Some(404);
    let downstream = with(Manners { brush_off, ..GOOD }).await;
    assert_eq!(call(&downstream, "a").await.unwrap(), 404);
    let for_some_keys = (1.0, REFUSED);
    downstream.set(Manners {
        for_some_keys,
        ..GOOD
    });
    assert_eq!(call(&downstream, "b").await.unwrap(), 400);
    let calls = downstream.calls();
    assert_eq!(brushed_off(&calls), ["a".to_owned()].into());
    assert_eq!(refused(&calls), ["b".to_owned()].into());
    // Both said that they were a second attempt.
    assert_eq!(again(&calls).len(), 2);
}

#[tokio::test]
async fn calls_beyond_a_rate_are_told_to_come_later() {
    let rate_max = Some(0);
    let downstream = with(Manners { rate_max, ..GOOD }).await;
    assert_eq!(call(&downstream, "a").await.unwrap(), 429);
    let rate_max = Some(1000);
    downstream.set(Manners { rate_max, ..GOOD });
    assert_eq!(call(&downstream, "a").await.unwrap(), 200);
}

#[tokio::test]
async fn a_kept_connection_is_closed_just_as_its_second_request_comes() {
    let closes_kept = true;
    let downstream = with(Manners {
        closes_kept,
        ..GOOD
    })
    .await;
    let http = reqwest::Client::builder()
        .retry(reqwest::retry::never())
        .build();
    let http = http.unwrap();
    assert_eq!(call_with(&http, &downstream, "a").await.unwrap(), 200);
    assert!(call_with(&http, &downstream, "a").await.is_err());
    assert_eq!(call_with(&http, &downstream, "a").await.unwrap(), 200);
}

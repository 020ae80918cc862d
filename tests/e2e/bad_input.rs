//! Every bad input gets its answer, as a problem, and does the process no harm.

use std::time::Duration;

use reqwest::{Response, StatusCode, header};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Harness, on_both, webhook};

on_both! {
    what_is_not_json_is_400
    what_breaks_the_schema_is_422_and_names_every_field
    another_content_type_is_415
    another_method_is_405_and_names_the_right_one
    an_unknown_path_is_404
    a_body_that_is_too_long_is_413
    after_all_of_it_a_good_webhook_is_accepted
}

/// Checks the form that all problems share.
pub(crate) async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status);
    let title = StatusCode::from_u16(status).unwrap().canonical_reason();
    assert_eq!(problem["title"].as_str(), title);
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    problem
}

fn with(member: &str, value: &str) -> String {
    let mut document = webhook("t1");
    document.as_object_mut().unwrap().remove(member);
    format!("{{\"{member}\":{value},{}", &document.to_string()[1..])
}

async fn what_is_not_json_is_400(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let good = webhook("t1").to_string();
    let truncated = good[..good.len() / 2].to_owned();
    let invalid_utf8 = [b"{\"transaction_id\":\"".as_slice(), b"\xff\xfe", b"\"}"].concat();
    for body in [
        b"".to_vec(),
        b"not json".to_vec(),
        truncated.into_bytes(),
        invalid_utf8,
        with("amount", "NaN").into_bytes(),
        format!("{good}{good}").into_bytes(),
    ] {
        problem(harness.post(&api, body).await, 400).await;
    }
}

async fn what_breaks_the_schema_is_422_and_names_every_field(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!("\"{}\"", "x".repeat(256));
    for (body, fields) in [
        ("{}".to_owned(), &["transaction_id", "source_account", "destination_account", "amount", "currency"][..]),
        ("[]".into(), &[""]),
        ("null".into(), &[""]),
        (deep.clone(), &[""]),
        (with("transaction_id", "17"), &["transaction_id"]),
        (with("transaction_id", "null"), &["transaction_id"]),
        (with("transaction_id", r#""""#), &["transaction_id"]),
        (with("transaction_id", &long), &["transaction_id"]),
        (with("transaction_id", r#""a\u0000b""#), &["transaction_id"]),
        (with("source_account", r#""a\nb""#), &["source_account"]),
        (with("source_account", r#""\ud83d""#), &["source_account"]),
        (with("destination_account", &deep), &["destination_account"]),
        (with("amount", "\"1,500\""), &["amount"]),
        (with("amount", "true"), &["amount"]),
        (with("amount", "1e400"), &["amount"]),
        (with("amount", "1234567890123456789012345678901234567890"), &["amount"]),
        (with("amount", "0.00001"), &["amount"]),
        (with("currency", "\"inr\""), &["currency"]),
        (with("currency", "\"RUPEES\""), &["currency"]),
        (webhook("t1").to_string().replacen('{', "{\"amount\":1,", 1), &["amount"]),
        (
            r#"{"transaction_id":"t1","source_account":1,"destination_account":"","amount":"x","currency":"INR"}"#.into(),
            &["source_account", "destination_account", "amount"],
        ),
    ] {
        let problem = problem(harness.post(&api, body.clone()).await, 422).await;
        let errors = problem["errors"].as_array().unwrap();
        let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{body:.100}");
        assert!(errors.iter().all(|error| error["reason"].is_string()));
    }
}

async fn another_content_type_is_415(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let url = format!("{api}/v1/webhooks/transactions");
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("nonsense"),
    ] {
        let mut request = harness.client.post(&url).body(webhook("t1").to_string());
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        problem(request.send().await.unwrap(), 415).await;
    }
    let request = harness.client.post(&url).body(webhook("t1").to_string());
    let with_parameter = request.header(header::CONTENT_TYPE, "Application/JSON; charset=utf-8");
    assert_eq!(with_parameter.send().await.unwrap().status(), 202);
}

async fn another_method_is_405_and_names_the_right_one(harness: &mut Harness) {
    let api = harness.start("").await.url();
    for (method, path, allow) in [
        (
            reqwest::Method::GET,
            "/v1/webhooks/transactions",
            "POST, OPTIONS",
        ),
        (
            reqwest::Method::PUT,
            "/v1/webhooks/transactions",
            "POST, OPTIONS",
        ),
        (
            reqwest::Method::POST,
            "/v1/transactions/t1",
            "GET, HEAD, OPTIONS",
        ),
        (reqwest::Method::DELETE, "/", "GET, HEAD, OPTIONS"),
    ] {
        let response = harness
            .client
            .request(method, format!("{api}{path}"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()[header::ALLOW], allow);
        problem(response, 405).await;
    }
}

async fn an_unknown_path_is_404(harness: &mut Harness) {
    let api = harness.start("").await.url();
    for path in ["/nothing", "/v1", "/v1/transactions/a/b", "/docs/x"] {
        problem(harness.get(&format!("{api}{path}")).await, 404).await;
    }
}

async fn a_body_that_is_too_long_is_413(harness: &mut Harness) {
    let api = harness.start("").await.url();
    let long = format!("\"{}\"", "x".repeat(10 * 1024 * 1024));
    let body = with("note", &long);
    problem(harness.post(&api, body.clone()).await, 413).await;

    // Without a Content-Length: in chunks, which reqwest would need a stream for.
    let address = api.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/webhooks/transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let send = async {
        for chunk in body.as_bytes().chunks(16 * 1024) {
            let size = format!("{:x}\r\n", chunk.len());
            let chunk = [size.as_bytes(), chunk, b"\r\n"].concat();
            // The answer may come, and the connection end, before all is sent.
            if writer.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = writer.write_all(b"0\r\n\r\n").await;
    };
    let mut answer = Vec::new();
    let receive = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
            if answer.ends_with(b"}") {
                return;
            }
        }
    };
    let both = async {
        tokio::join!(send, receive);
    };
    tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

async fn after_all_of_it_a_good_webhook_is_accepted(harness: &mut Harness) {
    let api = harness.start("").await.url();
    for body in ["", "{", "[]", "{}", "\u{0}"] {
        harness.post(&api, body).await;
    }
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
}

/// A client that never finishes what it began must not keep its connection for ever, and must not
/// keep others from theirs.
#[tokio::test]
async fn a_client_that_says_nothing_disturbs_nobody() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let address = api.strip_prefix("http://").unwrap().to_owned();
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream
            .write_all(b"POST /v1/webhooks/transactions HTTP/1.1\r\nhost:")
            .await
            .unwrap();
        silent.push(stream);
    }
    harness.send(&api, "t1").await;
}

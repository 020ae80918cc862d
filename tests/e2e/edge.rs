//! What the service meets at its door: balancers, browsers, clients that take their time, and a stop behind a balancer.

use std::{path::Path, time::Duration};

use reqwest::{Method, header};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    bad_input::problem,
    faults::until,
    harness::{Harness, webhook},
    processes::{Process, SOON},
};

const WEBHOOKS: &str = "/v1/webhooks/transactions";

#[tokio::test]
async fn slashes_to_spare_do_not_matter() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    for (number, path) in [
        WEBHOOKS.to_owned(),
        format!("{WEBHOOKS}/"),
        format!("{WEBHOOKS}/?token=x"),
        format!("/{WEBHOOKS}"),
        "/v1//webhooks/transactions".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("t{number}");
        let posted = harness.client.post(format!("{api}{path}"));
        let posted = posted.header(header::CONTENT_TYPE, "application/json");
        let answer = posted.body(webhook(&id).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{path}");
        harness.processed(&api, &id).await;
        let looked_up = harness.get(&format!("{api}/v1/transactions/{id}/")).await;
        assert_eq!(looked_up.status(), 200);
    }
    for path in ["/healthz/", "//readyz", "/docs/", "/openapi.json/"] {
        let answer = harness.get(&format!("{api}{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
}

/// The first line of the answer to `request`, and what follows.
async fn raw(api: &str, request: &str) -> String {
    let address = api.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn health_answers_however_it_is_asked() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    for path in ["/", "/healthz", "/readyz", "/readyz/"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            // As HAProxy asks: HTTP/1.0, and no header at all.
            let answer = raw(&api, &format!("{method} {path} HTTP/1.0\r\n\r\n")).await;
            assert!(
                answer.starts_with("HTTP/1.0 200 "),
                "{method} {path}: {answer}"
            );
        }
    }
    for (path, allow) in [
        ("*", "GET, HEAD, POST, DELETE, OPTIONS"),
        (WEBHOOKS, "POST, OPTIONS"),
        ("/v1/transactions/t1", "GET, HEAD, OPTIONS"),
    ] {
        let answer = raw(&api, &format!("OPTIONS {path} HTTP/1.0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.0 204 "), "{path}: {answer}");
        assert!(
            answer.contains(&format!("\r\nallow: {allow}\r\n")),
            "{answer}"
        );
    }
    let nothing = harness
        .client
        .request(Method::OPTIONS, format!("{api}/nothing"));
    problem(nothing.send().await.unwrap(), 404).await;
}

#[tokio::test]
async fn a_coded_body_is_refused_and_the_sender_told_how() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let post = |coding| {
        let post = harness.client.post(format!("{api}{WEBHOOKS}"));
        let post = post.header(header::CONTENT_TYPE, "application/json");
        let post = post.header(header::CONTENT_ENCODING, coding);
        post.body(webhook("t1").to_string()).send()
    };
    for coding in ["gzip", "br", "gzip, identity", "nonsense"] {
        let answer = post(coding).await.unwrap();
        assert_eq!(answer.headers()[header::ACCEPT_ENCODING], "identity");
        problem(answer, 415).await;
    }
    assert_eq!(post("identity").await.unwrap().status(), 202);
    harness.processed(&api, "t1").await;
}

#[tokio::test]
async fn browsers_are_told_what_they_may_do() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    for path in [
        "/",
        "/docs",
        "/openapi.json",
        "/v1/transactions/t1",
        "/nothing",
    ] {
        let answer = harness.get(&format!("{api}{path}")).await;
        let headers = answer.headers();
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        let kept = match path {
            "/docs" | "/openapi.json" => "no-cache",
            _ => "no-store",
        };
        assert_eq!(headers[header::CACHE_CONTROL], kept, "{path}");
    }
    let docs = harness.get(&format!("{api}/docs")).await;
    assert_eq!(docs.headers()[header::X_FRAME_OPTIONS], "DENY");
    let policy = &docs.headers()[header::CONTENT_SECURITY_POLICY];
    assert!(policy.to_str().unwrap().contains("frame-ancestors 'none'"));
    let plain = docs.bytes().await.unwrap();
    let compressed = harness.client.get(format!("{api}/docs"));
    let compressed = compressed.header(header::ACCEPT_ENCODING, "gzip, br");
    let compressed = compressed.send().await.unwrap();
    assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
    let compressed = compressed.bytes().await.unwrap();
    assert!(compressed.starts_with(&[0x1f, 0x8b]) && compressed.len() < plain.len() / 2);
}

/// Otherwise the next webhook would be sent into a connection that is just being closed.
#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_read_ends_the_connection() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    for (path, status) in [("/nothing", 404), ("/healthz", 405)] {
        let post = harness.client.post(format!("{api}{path}"));
        let answer = post.body("x".repeat(1 << 20)).send().await.unwrap();
        assert_eq!(answer.headers()[header::CONNECTION], "close");
        problem(answer, status).await;
        let without_body = harness.client.post(format!("{api}{path}"));
        let answer = without_body.send().await.unwrap();
        assert!(!answer.headers().contains_key(header::CONNECTION));
    }
}

#[tokio::test]
async fn who_reads_nothing_costs_little() {
    let harness = Harness::embedded();
    let process = harness.process("").await;
    let api = process.url();
    harness
        .get(&format!("{api}/docs"))
        .await
        .bytes()
        .await
        .unwrap();
    let before = process.resident_kib();
    let mut readers = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(api.trim_start_matches("http://"))
            .await
            .unwrap();
        let requests = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n".repeat(8);
        stream.write_all(requests.as_bytes()).await.unwrap();
        readers.push(stream);
    }
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
    let grown = process.resident_kib().saturating_sub(before);
    // One copy of the page for each of them would be 150 MB.
    assert!(grown < 40 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn who_has_said_nothing_makes_room_for_others() {
    const CONNECTIONS_MAX: usize = 10_000;
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let address = api.trim_start_matches("http://");
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    for number in 0..5 {
        // A new connection each time.
        let id = format!("t{number}");
        let body = webhook(&id).to_string();
        let length = body.len();
        let request = format!(
            "POST {WEBHOOKS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let answer = raw(&api, &request).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
    drop(silent);
    harness.settled().await;
}

/// Asks `/readyz` as a balancer does, and sends webhooks until it says no; returns how often it said so.
async fn balance(harness: &Harness, api: &str) -> (u32, bool) {
    let (mut refused, mut closes) = (0, false);
    let mut sent = 0;
    // On connections that the balancer keeps.
    loop {
        let Ok(answer) = harness.client.get(format!("{api}/readyz")).send().await else {
            return (refused, closes);
        };
        closes |= answer.headers().contains_key(header::CONNECTION);
        if answer.status() == 503 {
            refused += 1;
            let missing: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(missing["errors"][0]["field"], "process");
        }
        if refused < 3 {
            sent += 1;
            harness.send(api, &format!("t{sent}")).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_stop_begins_when_those_who_send_have_noticed() {
    for delay in [None, Some("3s")] {
        let mut harness = Harness::embedded();
        harness.environment.insert("PROCESSING_DELAY", "0s".into());
        if let Some(delay) = delay {
            harness.environment.insert("SHUTDOWN_DELAY", delay.into());
        }
        let mut process = harness.process("").await;
        let api = process.url();
        let stop = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            process.signal(Signal::TERM);
            process.ended().await
        };
        let ((refused, closes), code) = tokio::join!(balance(&harness, &api), stop);
        assert_eq!(code, Some(0), "{}", process.log());
        assert!(refused >= 3, "told {refused} times");
        assert!(closes, "no answer said that it is the last");
        harness.start("").await;
        harness.settled().await;
    }
}

/// Process 1 of a container is the parent of whatever loses its own.
#[tokio::test]
async fn as_process_1_it_collects_orphans() {
    let harness = Harness::embedded();
    let process = Process::start_as_process_1(
        harness.folder.path(),
        "(sleep 1 &); exec \"$0\"",
        &harness.environment,
    )
    .await;
    let number = children(process.id())[0];
    assert_eq!(children(number).len(), 1, "no orphan");
    until(
        async || children(number).is_empty(),
        || "the orphan is not collected".into(),
    )
    .await;
}

/// The children of all threads of a process, zombies too.
fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(Path::new("/proc").join(process.to_string()).join("task"));
    let children = tasks.unwrap().flat_map(|task| {
        let children = std::fs::read_to_string(task.unwrap().path().join("children"));
        let children = children.unwrap_or_default();
        let children = children
            .split_whitespace()
            .map(|child| child.parse().unwrap());
        children.collect::<Vec<u32>>()
    });
    children.collect()
}

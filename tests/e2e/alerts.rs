//! Operator events, as whoever is told of them receives them.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::HeaderMap,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use source::{Credentials, Secret, Settings, Source, Verdict};
use time::OffsetDateTime;
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    faults::until,
    harness::{Harness, webhook},
    processes::{SOON, run},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Whoever is told.
struct Receiver {
    url: String,
    told: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

impl Receiver {
    /// Answers with these, one after the other, and with 204 after that.
    async fn start(first: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let (tell, told) = mpsc::unbounded_channel();
        let answers = Arc::new(std::sync::Mutex::new(first.into_iter()));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tell, answers) = (tell.clone(), answers.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (tell, answers) = (tell.clone(), answers.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let _ = tell.send((head.headers, body));
                        let status = answers.lock().unwrap().next().unwrap_or(204);
                        let mut response = Response::new(Full::new(Bytes::new()));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, told }
    }

    /// The next event that is told, proven.
    async fn next(&mut self) -> (String, Value) {
        let next = tokio::time::timeout(SOON, self.told.recv());
        let (headers, body) = next.await.expect("an event in time").unwrap();
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let settings = Settings {
            preset: Some("standard-webhooks".into()),
            ..Settings::default()
        };
        let credentials = Credentials {
            secrets: vec![Secret::from(SECRET)],
            ..Credentials::default()
        };
        let source = Source::new(&settings, &credentials).unwrap();
        let request = source::Request {
            method: "POST",
            url: "",
            query: "",
            headers: &headers,
            body: &body,
            now: OffsetDateTime::now_utc(),
        };
        let Verdict::Genuine(events) = source.judge(&request) else {
            panic!("not signed: {}", String::from_utf8_lossy(&body));
        };
        let id = events[0].id.clone().unwrap();
        (id, serde_json::from_slice(&body).unwrap())
    }
}

fn told(harness: &mut Harness, receiver: &Receiver) {
    harness
        .environment
        .insert("ALERT_URL", receiver.url.clone());
    harness.environment.insert("ALERT_SECRET", SECRET.into());
}

/// Downstream answers everything with this.
async fn downstream(harness: &mut Harness, status: u16) -> Receiver {
    let service = Receiver::start(vec![status; 10_000]).await;
    harness
        .environment
        .insert("PROCESS_URL", service.url.clone());
    service
}

#[tokio::test]
async fn what_has_failed_is_told_in_groups_and_again_if_it_was_not_taken() {
    let mut harness = Harness::embedded();
    let mut receiver = Receiver::start(vec![500]).await;
    told(&mut harness, &receiver);
    let _service = downstream(&mut harness, 422).await;
    harness.failed = 3;
    let api = harness.start("").await.url();
    // What is told begins when it is first looked at, and the process looks when it starts.
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness
        .send_all(&api, (0..3).map(|at| format!("txn_{at}")))
        .await;
    let (id, event) = receiver.next().await;
    assert_eq!(event["type"], "hookline.transactions.failed");
    assert_eq!(
        (&event["data"]["count"], &event["data"]["more"]),
        (&3.into(), &false.into())
    );
    let group = &event["data"]["groups"][0];
    assert_eq!(
        (&group["source"], &group["count"]),
        (&"transactions".into(), &3.into())
    );
    assert_eq!(
        (&group["verdict"], &group["status"]),
        (&"PERMANENT".into(), &422.into())
    );
    // Its 500 said that it was not taken.
    assert_eq!(receiver.next().await, (id, event));
    harness.settled().await;
}

#[tokio::test]
async fn a_circuit_that_opened_is_told() {
    let mut harness = Harness::embedded();
    let mut receiver = Receiver::start(Vec::new()).await;
    told(&mut harness, &receiver);
    // Nobody listens there.
    harness
        .environment
        .insert("PROCESS_URL", "http://127.0.0.1:9/".into());
    let process = harness.process("").await;
    harness
        .send_all(&process.url(), (0..20).map(|at| format!("txn_{at}")))
        .await;
    let (_, event) = receiver.next().await;
    assert_eq!(event["type"], "hookline.circuit.opened", "{event}");
    assert_eq!(event["data"]["reason"], "unreachable");
    // A minute goes by, and it is still open: that has been told.
    let db = harness.database().await;
    let pass = "UPDATE alerts SET next_at = 0";
    sea_orm::ConnectionTrait::execute_unprepared(&db, pass)
        .await
        .unwrap();
    db.close().await.unwrap();
    let again = tokio::time::timeout(Duration::from_secs(3), receiver.told.recv()).await;
    assert!(again.is_err(), "{again:?}");
    drop(process);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it is one story")]
async fn a_source_from_which_nothing_comes_is_silent_everywhere() {
    let mut harness = Harness::embedded();
    let mut receiver = Receiver::start(Vec::new()).await;
    told(&mut harness, &receiver);
    harness
        .environment
        .insert("SOURCE_STRIPE_SECRET", "whsec_a_long_secret_of_ours".into());
    harness
        .environment
        .insert("SOURCE_STRIPE_SILENT_AFTER", "1m".into());
    let api = harness.start("").await.url();
    let status = async |harness: &Harness| {
        let ended = run(
            harness.folder.path(),
            &["status", "--output", "json"],
            &harness.environment,
        );
        let status: Value = serde_json::from_str(&ended.await.stdout).unwrap();
        status["sources"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["source"] == "stripe")
            .cloned()
    };
    // It is listened for from the start on.
    let listened = async {
        loop {
            match status(&harness).await {
                Some(source) if source["silent"] == false => return source,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let source = tokio::time::timeout(SOON, listened).await.unwrap();
    assert_eq!(
        (&source["silent_after_s"], &source["last_verified_at"]),
        (&60.into(), &Value::Null)
    );
    // The kind has had its first turn by now, so that what follows is new to it.
    let metric = async |value: u8| {
        let expected = format!("hookline_source_silent{{source=\"stripe\"}} {value}");
        loop {
            let text = harness
                .get(&format!("{api}/metrics"))
                .await
                .text()
                .await
                .unwrap();
            if text.contains(&expected) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(SOON, metric(0)).await.unwrap();
    // Time goes by.
    let db = harness.database().await;
    let pass = "UPDATE heard SET last_at = last_at + 59000 WHERE source = 'stripe'";
    sea_orm::ConnectionTrait::execute_unprepared(&db, pass)
        .await
        .unwrap();
    db.close().await.unwrap();
    let (_, event) = receiver.next().await;
    assert_eq!(event["type"], "hookline.source.silent");
    assert_eq!(event["data"]["sources"][0]["source"], "stripe");
    assert_eq!(
        event["data"]["sources"][0]["last_verified_seconds_ago"],
        Value::Null
    );
    tokio::time::timeout(SOON, metric(1)).await.unwrap();
    let source = status(&harness).await.unwrap();
    assert_eq!(source["silent"], true, "{source}");
    let sent = harness.post(&api, webhook("txn_1").to_string()).await;
    assert_eq!(sent.status(), 202);
}

#[tokio::test]
async fn a_source_that_is_refused_from_the_first_on_is_silent_without_a_rule() {
    let mut harness = Harness::embedded();
    let mut receiver = Receiver::start(Vec::new()).await;
    told(&mut harness, &receiver);
    harness
        .environment
        .insert("SOURCE_STRIPE_SECRET", "whsec_a_long_secret_of_ours".into());
    let api = harness.start("").await.url();
    for _ in 0..12 {
        let url = format!("{api}/v1/webhooks/stripe");
        let refused = harness.client.post(url).body("{}").send().await.unwrap();
        assert_eq!(refused.status(), 401);
    }
    // A quarter of an hour goes by. It is listened for within seconds of the start.
    let db = harness.database().await;
    let pass = "UPDATE heard SET last_at = last_at + 900000 WHERE source = 'stripe'";
    let listened = async || {
        let passed = sea_orm::ConnectionTrait::execute_unprepared(&db, pass).await;
        passed.unwrap().rows_affected() == 1
    };
    until(listened, || harness.running_log()).await;
    db.close().await.unwrap();
    let (_, event) = receiver.next().await;
    assert_eq!(event["type"], "hookline.source.silent");
    let source = &event["data"]["sources"][0];
    // Of so many a second the ledger keeps ten.
    let refused = source["refused_within_15m"].as_i64().unwrap();
    assert!((10..=12).contains(&refused), "{event}");
    assert_eq!(
        (&source["source"], &source["silent_after_seconds"]),
        (&"stripe".into(), &Value::Null)
    );
    let status = run(harness.folder.path(), &["status"], &harness.environment).await;
    let told = format!("YES, {refused} refused in 15 min");
    assert!(status.stdout.contains(&told), "{}", status.stdout);
}

#[tokio::test]
async fn what_cannot_be_told_to_anybody_stops_the_start() {
    for (variables, sentence) in [
        (
            &[("ALERT_SECRET", SECRET)][..],
            "ALERT_URL must be set, because ALERT_SECRET is",
        ),
        (
            &[("ALERT_URL", "ftp://hunter2.example")][..],
            "ALERT_URL must be an http:// or https:// URL",
        ),
        (
            &[
                ("ALERT_URL", "http://127.0.0.1/"),
                ("ALERT_SECRET", "hunter2"),
            ][..],
            "ALERT_SECRET must be whsec_",
        ),
        (
            &[
                ("SOURCE_STRIPE_SECRET", "whsec_1234567890123456"),
                ("SOURCE_STRIPE_SILENT_AFTER", "hunter2"),
            ][..],
            "SOURCE_STRIPE_SILENT_AFTER must be a length of time from 1m to 365d",
        ),
        (
            &[
                ("SOURCE_STRIPE_SECRET", "whsec_1234567890123456"),
                ("SOURCE_STRIPE_SILENT_AFTER", "59s"),
            ][..],
            "SOURCE_STRIPE_SILENT_AFTER must be a length of time from 1m to 365d",
        ),
    ] {
        let mut harness = Harness::embedded();
        for (name, value) in variables {
            harness.environment.insert(name, (*value).into());
        }
        let ended = run(harness.folder.path(), &[], &harness.environment).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

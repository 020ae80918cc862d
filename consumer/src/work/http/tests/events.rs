//! What downstream receives of another source's event.

use entity::{Content, Event, Outcome};
use hyper::Response;
use time::OffsetDateTime;

use super::{
    super::{Downstream, Settings, signature::Secret},
    LONG, SECRET, fixtures, job_of,
    server::{Seen, Server},
    settings,
};

/// What arrives of the event that `source` calls `id`, signed.
async fn told(source: &str, id: &str, event: Event) -> Seen {
    let server = Server::start(|_| Response::default()).await;
    let downstream = Downstream::new(Settings {
        secret: Some(SECRET.into()),
        ..settings(format!("http://{}/", server.place), LONG)
    });
    let job = job_of(source.parse().unwrap(), id, Content::Event(event.into()));
    let row = job.id;
    let attempt = downstream.unwrap().call(job.into(), None).await.attempt;
    assert_eq!(attempt.outcome, Outcome::Succeeded, "{attempt:?}");
    let seen = server.requests().remove(0);
    let secret = Secret::parse(SECRET).unwrap();
    let signature = secret.sign(row, attempt.started_at, &seen.body);
    assert_eq!(seen.header("webhook-signature"), Some(signature.as_str()));
    seen
}

#[tokio::test]
async fn an_event_is_sent_on_byte_for_byte_with_what_its_sender_has_said_about_it() {
    let body = (0..=255).collect();
    let mut event = fixtures::event(body);
    event.kind = Some("charge.succeeded".parse().unwrap());
    event.payload.content_type = Some("application/json; charset=utf-8".to_owned());
    event.payload.headers = Some(r#"{"x-secret":"nobody's business"}"#.to_owned());
    let sent_at = OffsetDateTime::from_unix_timestamp(1_700_000_000);
    event.payload.sent_at = sent_at.ok();
    let body = event.payload.body.clone();
    let seen = told("stripe", "evt_1", event).await;
    assert_eq!(seen.body, body);
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("content-length", "256"),
        ("idempotency-key", "stripe:evt_1"),
        ("hookline-attempt", "1"),
        ("hookline-source", "stripe"),
        ("hookline-type", "charge.succeeded"),
        ("hookline-sent-at", "2023-11-14T22:13:20Z"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    // Besides those: host, user-agent, and three of the signature.
    assert_eq!(seen.head.headers.len(), 7 + 5, "{:?}", seen.head.headers);
}

#[tokio::test]
async fn what_its_sender_has_not_said_is_not_told_and_its_bytes_are_just_bytes() {
    for content_type in [None, Some("text/pläin"), Some("text/plain\r\nx: y")] {
        let mut event = fixtures::event(Vec::new());
        event.payload.content_type = content_type.map(str::to_owned);
        let seen = told("shop", "1", event).await;
        let told = seen.header("content-type");
        assert_eq!(told, Some("application/octet-stream"), "{content_type:?}");
        assert_eq!(seen.header("content-length"), Some("0"));
        assert_eq!(seen.header("hookline-type"), None);
        assert_eq!(seen.header("hookline-sent-at"), None);
    }
}

#[tokio::test]
async fn different_events_never_have_one_key() {
    for (source, id, key) in [
        ("shop", "a:b", "shop:a:b"),
        ("shop", "1 ", "shop:1%20"),
        ("shop", "1%20", "shop:1%2520"),
        ("shop.eu", "ü", "shop.eu:%C3%BC"),
    ] {
        let mut event = fixtures::event(Vec::new());
        event.kind = Some(id.parse().unwrap());
        let seen = told(source, id, event).await;
        assert_eq!(seen.header("idempotency-key"), Some(key));
        let kind = key.split_once(':').map(|(_, encoded)| encoded);
        assert_eq!(seen.header("hookline-type"), kind);
    }
}

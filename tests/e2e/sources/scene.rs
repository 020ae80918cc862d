//! Sources, and those who send to them.

use std::{fs, path::Path};

use reqwest::{Method, Response};
use serde_json::Value;
use source::{Credentials, Request, Secret, Settings, Source};
use time::{Duration, OffsetDateTime};

use crate::{faults::until, harness::Harness};

pub(super) const SECRET: &str = "whsec_test_secret";

/// `SOURCE_STRIPE_SECRET`, and what else is needed.
pub(super) fn with_stripe(harness: &mut Harness) {
    harness
        .environment
        .insert("SOURCE_STRIPE_SECRET", SECRET.into());
}

/// `SOURCES_FILE`.
pub(super) fn with_file(harness: &mut Harness, document: &str) {
    fs::write(harness.folder.path().join("sources.toml"), document).unwrap();
    harness
        .environment
        .insert("SOURCES_FILE", "sources.toml".into());
}

/// Somebody who sends to a source.
pub(super) struct Sender {
    source: Source,
    /// Which source it sends to.
    pub(super) name: &'static str,
    url: &'static str,
}

pub(super) type Headers = Vec<(String, String)>;

impl Sender {
    /// As the sender of this preset.
    pub(super) fn new(name: &'static str, preset: &str, secret: &str) -> Self {
        let settings = Settings {
            preset: Some(preset.into()),
            ..Settings::default()
        };
        Self::of(name, &settings, secret)
    }

    pub(super) fn stripe() -> Self {
        Self::new("stripe", "stripe", SECRET)
    }

    pub(super) fn of(name: &'static str, settings: &Settings, secret: &str) -> Self {
        let credentials = Credentials {
            secrets: vec![Secret::from(secret)],
            ..Credentials::default()
        };
        Self {
            source: Source::new(settings, &credentials).unwrap(),
            name,
            url: "https://pay.example.com/in/here",
        }
    }

    /// The headers that prove this body, sent so many seconds ago.
    pub(super) fn sign(&self, body: &[u8], seconds_ago: i64) -> Headers {
        self.sign_for(self.url, body, seconds_ago)
    }

    pub(super) fn sign_for(&self, url: &str, body: &[u8], seconds_ago: i64) -> Headers {
        let signed = self.source.sign(&Request {
            method: "POST",
            url,
            query: "",
            headers: &[],
            body,
            now: OffsetDateTime::now_utc() - Duration::seconds(seconds_ago),
        });
        signed.unwrap()
    }

    /// Sends it, signed now.
    pub(super) async fn send(
        &self,
        harness: &Harness,
        api: &str,
        body: impl Into<Vec<u8>>,
    ) -> Response {
        let body = body.into();
        let headers = self.sign(&body, 0);
        post(harness, api, self.name, &headers, body).await
    }

    /// Sends it once, signed now.
    pub(super) async fn send_once(&self, harness: &Harness, api: &str, body: &str) -> Response {
        let headers = self.sign(body.as_bytes(), 0);
        post_once(harness, api, self.name, &headers, body.into()).await
    }

    /// Sends it until it is taken.
    pub(super) async fn send_well(&self, harness: &Harness, api: &str, body: &str) {
        let taken = async || self.send_once(harness, api, body).await.status() == 200;
        until(taken, || format!("{} is not taken", self.name)).await;
    }

    /// A genuine event goes through.
    pub(super) async fn assert_well(&self, harness: &Harness, api: &str) {
        let id = uuid::Uuid::now_v7().to_string();
        let body = format!("{{\"id\":\"{id}\",\"event_id\":\"{id}\",\"type\":\"t\"}}");
        self.send_well(harness, api, &body).await;
        processed(harness, api, self.name, &id).await;
    }
}

/// How often is sent what is told to come again, where the machine has no time for it just now.
const TRIES_MAX: usize = 5;

/// Sends it, as often as it is told to come again.
pub(super) async fn post(
    harness: &Harness,
    api: &str,
    source: &str,
    headers: &[(String, String)],
    body: impl Into<Vec<u8>>,
) -> Response {
    let body = body.into();
    for _ in 1..TRIES_MAX {
        let answer = post_once(harness, api, source, headers, body.clone()).await;
        let Some(wait) = answer.headers().get("retry-after") else {
            return answer;
        };
        let wait = wait.to_str().unwrap().parse().unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    }
    post_once(harness, api, source, headers, body).await
}

async fn post_once(
    harness: &Harness,
    api: &str,
    source: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Response {
    let url = format!("{api}/v1/webhooks/{source}");
    let headers = headers.iter();
    let request = harness.client.request(Method::POST, url);
    let request = headers.fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    request.body(body).send().await.unwrap()
}

/// That it is refused with this status, and nobody is told why.
pub(super) async fn assert_refused(response: Response, status: u16, what: &str) {
    assert_eq!(response.status(), status, "{what}");
    assert!(!response.headers().contains_key("content-type"), "{what}");
    assert_eq!(response.text().await.unwrap(), "", "{what}");
}

/// Waits until a source's event is processed, and returns what is shown of it.
pub(super) async fn processed(harness: &Harness, api: &str, source: &str, id: &str) -> Value {
    let url = format!("{api}/v1/sources/{source}/transactions/{id}");
    let is_processed = async || {
        let found = harness.get(&url).await;
        assert_eq!(found.status(), 200, "{url}");
        found.json::<Value>().await.unwrap()["status"] == "PROCESSED"
    };
    until(is_processed, || format!("{url} is not processed")).await;
    harness.get(&url).await.json().await.unwrap()
}

/// The body and the headers of one of the vectors that prove the crate `source`.
pub(super) fn vector(id: &str) -> (Headers, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("source/tests/vectors.json");
    let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
    let headers = vector["headers"].as_object().unwrap().iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let body = vector["body"].as_str().unwrap();
    (headers.collect(), body.to_owned())
}

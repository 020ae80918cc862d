//! Everything behind the socket, on a database without a server.

use std::{net::Ipv4Addr, sync::Arc};

use poem::{
    Body, Endpoint as _, EndpointExt as _, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use queue::Queue;
use sea_orm::{DatabaseConnection, EntityTrait, PaginatorTrait as _};
use source::{Credentials, Secret, Settings, Source};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{database, sources};
use crate::{
    Databases, Drain, Sender, Slots, Sources, Tokens,
    access::Access,
    admission::Admission,
    gate::Gate,
    metrics::{Commits, Metrics, Requests},
    refusals, relay,
    repeats::{self, Repeats},
    routes::{self, Listeners, Ways},
    scrape::Scrape,
    space::Space,
    writer,
};

pub(crate) const SECRET: &str = "whsec_test_secret";
/// Of every source whose address is signed.
const PUBLIC_URL: &str = "https://hooks.example.com/in/here";

/// A source of a preset, with one secret.
pub(crate) fn sender(name: &str, preset: &str) -> Sender {
    let settings = Settings {
        preset: Some(preset.to_owned()),
        ..Settings::default()
    };
    built(name, &settings)
}

pub(crate) fn built(name: &str, settings: &Settings) -> Sender {
    let credentials = Credentials {
        secrets: vec![Secret::from(SECRET)],
        verify_token: Some(Secret::from("verify-me")),
        ..Credentials::default()
    };
    Sender {
        name: name.to_owned(),
        source: Source::new(settings, &credentials).unwrap(),
        body_bytes_max: 256 * 1024,
        public_url: Some(PUBLIC_URL.to_owned()),
        silent_after: None,
    }
}

pub(crate) struct Service {
    pub(crate) db: DatabaseConnection,
    pub(crate) ways: Ways,
    sources: Arc<Sources>,
    endpoint: BoxEndpoint<'static, Response>,
    stop: CancellationToken,
}

/// What came back, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// That it is a problem of this status.
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.json()["status"], status);
    }
}

impl Service {
    pub(crate) async fn new(senders: impl IntoIterator<Item = Sender>) -> Self {
        Self::guarded(senders, Tokens::default()).await
    }

    /// The same, where these tokens are known, at an address that only this machine reaches.
    pub(crate) async fn guarded(senders: impl IntoIterator<Item = Sender>, tokens: Tokens) -> Self {
        let db = database().await;
        let sources = sources(senders);
        let (writer, inbox) = writer::channel();
        let (hints, told) = relay::channel();
        let (ledger, lines) = refusals::channel();
        let admission = Admission::new(Slots::SQLITE);
        let now = sources.borrow().clone();
        let ways = Ways {
            writer,
            admission: admission.clone(),
            gate: Gate::new(sources.clone(), ledger),
            space: Space::default(),
            tracer: Default::default(),
        };
        let databases = Databases {
            write: db.clone(),
            read: db.clone(),
            slots: Slots::SQLITE,
            file: None,
        };
        let queue = Queue::Memory(queue::memory::Queue::new());
        let registry = meter::Registry::default();
        let stop = CancellationToken::new();
        let (_, tokens) = watch::channel(Arc::new(tokens));
        let access = Access::new(tokens.clone(), Some(Ipv4Addr::LOCALHOST.into()));
        let needs = routes::needs(&databases, queue, Drain::default(), sources.clone(), tokens);
        let listeners = Listeners::new(stop.clone());
        let scrape = Scrape {
            registry: registry.clone(),
            access: access.clone(),
        };
        let (endpoint, paths) =
            routes::routes(&ways, &databases, needs, (access, scrape), &listeners);
        let commits = Arc::new(Commits::default());
        registry.add(Arc::new(Metrics {
            sources,
            requests: Arc::new(Requests::new(paths)),
            commits: commits.clone(),
            admission: admission.clone(),
            queued: inbox.queued(),
        }));
        let repeats = Repeats::default();
        let resources = writer::Resources {
            db: db.clone(),
            hints,
            repeats: repeats.clone(),
            commits,
            file: None,
        };
        let write = writer::run(resources, inbox, admission, Slots::SQLITE);
        tokio::spawn(repeats::run(db.clone(), repeats, stop.clone()));
        tokio::spawn(async move {
            write.await;
            drop(told);
        });
        tokio::spawn(refusals::run(db.clone(), lines, stop.clone()));
        Self {
            db,
            ways,
            sources: now,
            endpoint: endpoint.boxed(),
            stop,
        }
    }

    pub(crate) async fn ask(&self, request: Request) -> Answer {
        let response = self.endpoint.get_response(request).await;
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.into_body().into_vec().await.unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(request(Method::GET, path, &[], Body::empty()))
            .await
    }

    /// Sends a body to a source, with these headers.
    pub(crate) async fn post(
        &self,
        source: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let path = format!("/v1/webhooks/{source}");
        let body = Body::from_vec(body.into());
        self.ask(request(Method::POST, &path, headers, body)).await
    }

    /// The headers that prove this body, sent at this time.
    pub(crate) fn signed_at(
        &self,
        source: &str,
        body: &[u8],
        now: OffsetDateTime,
    ) -> Vec<(String, String)> {
        let sender = self.sources.get(source).unwrap();
        let signed = sender.source.sign(&source::Request {
            method: "POST",
            url: sender.public_url.as_deref().unwrap_or_default(),
            query: "",
            headers: &[],
            body,
            now,
        });
        signed.unwrap()
    }

    /// Sends what its sender would send.
    pub(crate) async fn send(&self, source: &str, body: impl Into<Vec<u8>>) -> Answer {
        let body = body.into();
        let headers = self.signed_at(source, &body, OffsetDateTime::now_utc());
        self.post(source, &borrowed(&headers), body).await
    }

    /// How many rows a table has.
    pub(crate) async fn count<E: EntityTrait<Model: Sync>>(&self) -> u64 {
        E::find().count(&self.db).await.unwrap()
    }
}

impl Service {
    /// As the process would when it stops.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    let headers = headers.iter();
    headers.map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

pub(crate) fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request {
    let mut request = Request::builder()
        .method(method)
        .uri(path.parse().unwrap())
        .body(body);
    for (name, value) in headers {
        let name: header::HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

/// A status, in a word that tests read well with.
pub(crate) const OK: u16 = StatusCode::OK.as_u16();

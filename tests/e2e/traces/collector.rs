//! A collector on loopback that remembers what it is told.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::HeaderMap,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message as _;
use tokio::net::TcpListener;

use crate::processes::SOON;

/// A span as it was told, with ids as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty if there is none.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The other traces and spans.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) has_failed: bool,
    /// What is told of the process.
    pub(crate) process: BTreeMap<String, String>,
}

impl Told {
    pub(crate) fn is(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// What a request for an export is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Ok,
    /// That it is of no use.
    Refused,
    Never,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    /// Path and headers of the last request.
    head: Option<(String, HeaderMap)>,
    spans: Vec<Told>,
}

pub(crate) struct Collector {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Collector {
    pub(crate) async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = seen.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = shared.clone();
                seen.lock().unwrap().connections += 1;
                let service = service_fn(move |request| hear(request, seen.clone(), answers));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, seen }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub(crate) fn head(&self) -> (String, HeaderMap) {
        self.seen.lock().unwrap().head.clone().unwrap()
    }

    pub(crate) fn spans(&self) -> Vec<Told> {
        self.seen.lock().unwrap().spans.clone()
    }

    /// Waits for so many spans; there must be no more.
    pub(crate) async fn told(&self, spans: usize) -> Vec<Told> {
        let since = Instant::now();
        loop {
            let told = self.spans();
            if told.len() >= spans {
                assert_eq!(told.len(), spans, "{told:#?}");
                return told;
            }
            assert!(since.elapsed() < SOON, "{told:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn hear(
    request: Request<Incoming>,
    seen: Arc<Mutex<Seen>>,
    answers: Answers,
) -> hyper::Result<Response<Empty<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut answer = Response::new(Empty::new());
    match answers {
        Answers::Never => std::future::pending().await,
        Answers::Refused => *answer.status_mut() = hyper::StatusCode::BAD_REQUEST,
        Answers::Ok => {}
    }
    let mut seen = seen.lock().unwrap();
    seen.head = Some((head.uri.path().to_owned(), head.headers));
    for of_process in ExportTraceServiceRequest::decode(body)
        .unwrap()
        .resource_spans
    {
        let process = pairs(&of_process.resource.unwrap().attributes);
        let spans = of_process
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        seen.spans.extend(spans.map(|span| told(span, &process)));
    }
    Ok(answer)
}

fn told(span: Span, process: &BTreeMap<String, String>) -> Told {
    let failed = |code| code == StatusCode::Error;
    Told {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind(),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        attributes: pairs(&span.attributes),
        links: (span.links.iter())
            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
            .collect(),
        has_failed: span.status.is_some_and(|status| failed(status.code())),
        process: process.clone(),
        name: span.name,
    }
}

fn pairs(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let pairs = attributes.iter().map(|attribute| {
        let value = attribute.value.clone().and_then(|value| value.value);
        let text = match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            other => panic!("{other:?}"),
        };
        (attribute.key.clone(), text)
    });
    pairs.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

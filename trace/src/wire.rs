//! OTLP: spans as a collector reads them (`opentelemetry/proto/trace/v1/trace.proto` and what it names). Here is what we say,
//! and no more.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message as _;

use crate::{Kind, Remote, Span, Value};

/// Flags of a span: its trace is kept.
const KEPT: u32 = 1;
/// Flags of a link: where it leads to is known to be another process.
const IS_REMOTE: u32 = 0b11_0000_0000;

/// The request that exports these spans of a process that is described so.
pub(crate) fn request(resource: &[Attribute], spans: Vec<Span>) -> Vec<u8> {
    let spans = ScopeSpans {
        scope: Some(Scope {
            name: "hookline".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }),
        spans: spans.into_iter().map(Into::into).collect(),
    };
    let request = Request {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: resource.to_vec(),
            }),
            scope_spans: vec![spans],
        }],
    };
    request.encode_to_vec()
}

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Told>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Told {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<Link>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Link {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(fixed32, tag = "6")]
    flags: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

/// Something that is known: of a span, or of the process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(oneof = "Known", tags = "1, 3")]
    value: Option<Known>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Known {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

impl Attribute {
    pub fn new(key: impl Into<String>, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::Text(text) => Known::Text(text.into_owned()),
            Value::Number(number) => Known::Number(number),
        };
        Self {
            key: key.into(),
            value: Some(AnyValue { value: Some(value) }),
        }
    }

    /// What it is about.
    pub fn name(&self) -> &str {
        &self.key
    }
}

impl From<Span> for Told {
    fn from(span: Span) -> Self {
        let attributes = span.attributes.into_iter();
        Self {
            trace_id: span.row.as_bytes().to_vec(),
            span_id: span.id.bytes(),
            parent_span_id: span.parent.map(|parent| parent.bytes()).unwrap_or_default(),
            name: span.name.into_owned(),
            kind: match span.kind {
                Kind::Server => 2,
                Kind::Client => 3,
                Kind::Producer => 4,
                Kind::Consumer => 5,
            },
            start_time_unix_nano: nanos(span.began),
            // A clock that was set back meanwhile makes no span that ends before it begins.
            end_time_unix_nano: nanos(span.ended.max(span.began)),
            attributes: attributes
                .map(|(key, value)| Attribute::new(key, value))
                .collect(),
            links: span.link.map(Into::into).into_iter().collect(),
            // What has not failed is unset: "ok" is for operators to say.
            status: span.has_failed.then_some(Status { code: 2 }),
            flags: KEPT,
        }
    }
}

impl From<Remote> for Link {
    fn from(remote: Remote) -> Self {
        Self {
            trace_id: remote.trace.to_be_bytes().to_vec(),
            span_id: remote.span.bytes(),
            flags: u32::from(remote.flags) | IS_REMOTE,
        }
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        common::v1::{KeyValue, any_value},
        trace::v1::{span::SpanKind, status::StatusCode},
    };
    use uuid::Uuid;

    use super::*;
    use crate::SpanId;

    fn text(attribute: &KeyValue) -> (&str, String) {
        let value = attribute.value.clone().and_then(|value| value.value);
        let text = match value {
            Some(any_value::Value::StringValue(text)) => text,
            Some(any_value::Value::IntValue(number)) => number.to_string(),
            other => panic!("{other:?}"),
        };
        (&attribute.key, text)
    }

    /// Read with the types that OpenTelemetry makes of the protocol's own files.
    #[test]
    fn what_we_write_is_what_others_read() {
        let row = Uuid::now_v7();
        let began = SystemTime::now();
        let ended = began + Duration::from_millis(25);
        let link = Remote::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let arrival = Span::arrival(row, "POST /", began).linked(link);
        let call = Span::new(row, Kind::Client, "POST", began)
            .until(ended)
            .with("server.port", 443u16)
            .failed("503");
        let id = call.id;
        let resource = [Attribute::new("service.name", "hookline")];
        let request = request(&resource, vec![arrival, call]);

        let read = ExportTraceServiceRequest::decode(&request[..]).unwrap();
        let [of_process] = &read.resource_spans[..] else {
            panic!("{read:?}")
        };
        let resource = of_process.resource.as_ref().unwrap();
        let name = ("service.name", "hookline".to_owned());
        assert_eq!(text(&resource.attributes[0]), name);
        let scope = of_process.scope_spans[0].scope.as_ref().unwrap();
        assert_eq!(scope.name, "hookline");
        let [arrival, call] = &of_process.scope_spans[0].spans[..] else {
            panic!("{read:?}")
        };
        assert_eq!(arrival.trace_id, row.as_bytes());
        assert_eq!(arrival.span_id, SpanId::of_arrival(row).bytes());
        assert_eq!(arrival.parent_span_id, [0; 0]);
        assert_eq!((arrival.kind(), arrival.flags), (SpanKind::Server, 1));
        assert_eq!(arrival.status, None);
        assert_eq!(
            arrival.links[0].span_id,
            [0, 240, 103, 170, 11, 169, 2, 183]
        );
        assert_eq!(arrival.links[0].trace_id[..2], [0x4b, 0xf9]);
        assert_eq!(arrival.links[0].flags, 0x301);
        assert_eq!(call.span_id, id.bytes());
        assert_eq!(call.parent_span_id, arrival.span_id);
        assert_eq!(
            (call.kind(), call.name.as_str()),
            (SpanKind::Client, "POST")
        );
        assert_eq!(
            call.end_time_unix_nano - call.start_time_unix_nano,
            25_000_000
        );
        let status = call.status.as_ref().unwrap();
        assert_eq!(status.code(), StatusCode::Error);
        let attributes: Vec<_> = call.attributes.iter().map(text).collect();
        let expected = [("server.port", "443"), ("error.type", "503")];
        assert_eq!(
            attributes,
            expected.map(|(key, value)| (key, value.to_owned()))
        );
    }
}

//! What downstream receives.

mod body;

use std::{borrow::Cow, sync::Arc};

use entity::{Content, Event, SourceName, Webhook, lifecycle::Job};
use http_body_util::Full;
use hyper::{
    HeaderMap, Request,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
    http::request::Builder,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{address::Address, signature::Secret, silence::Silence};

const HOOKLINE: &str = concat!("hookline/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Bytes of which their sender has not said what they are, or not so that it can be said again.
const UNKNOWN: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What is encoded in a header, beside everything beyond ASCII. The value of a header is trimmed on its way and is not
/// UTF-8, so `a` and `a ` would become one key; and `%` itself, or `a ` and `a%20` would.
const NOT_IN_A_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The request of one attempt, with what tells which span it is, if there is one. Its body borrows from `job` what it need not make.
pub(super) fn build(
    (address, secret): (&Address, Option<&Secret>),
    job: &Arc<Job>,
    now: OffsetDateTime,
    traceparent: Option<&str>,
) -> Result<Request<Full<Bytes>>, Silence> {
    let webhook = &job.webhook;
    let mut request = to(address)
        .header("idempotency-key", key(webhook))
        .header("hookline-attempt", job.attempt);
    if job.replay {
        request = request.header("hookline-replay", "true");
    }
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let body = match &webhook.content {
        Content::Payment(payment) => {
            request = request.header(CONTENT_TYPE, JSON);
            body::of_payment(&webhook.transaction_id, payment)?
        }
        Content::Event(event) => {
            request = about_event(request, &webhook.source, event);
            body::of_event(job)
        }
    };
    Ok(sign(request, secret, (job.id, now), &body).body(Full::new(body))?)
}

/// A request that tells something, with an id of its own.
pub(super) fn telling(
    address: &Address,
    secret: Option<&Secret>,
    told: (Uuid, OffsetDateTime),
    json: Bytes,
) -> hyper::http::Result<Request<Full<Bytes>>> {
    let mut request = to(address).header(CONTENT_TYPE, JSON);
    if secret.is_none() {
        // Whoever is told twice can tell all the same.
        request = request.header("webhook-id", told.0.to_string());
    }
    sign(request, secret, told, &json).body(Full::new(json))
}

/// A request with these headers and this body, as they are.
pub(super) fn posting(
    address: &Address,
    headers: &HeaderMap,
    body: Bytes,
) -> hyper::http::Result<Request<Full<Bytes>>> {
    let mut request = to(address).header(CONTENT_LENGTH, body.len());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(body))
}

fn to(address: &Address) -> Builder {
    let request = Request::post(address.target())
        .header(HOST, address.host_header())
        .header(USER_AGENT, HOOKLINE);
    match &address.authorization {
        Some(authorization) => request.header(AUTHORIZATION, authorization),
        None => request,
    }
}

fn sign(
    request: Builder,
    secret: Option<&Secret>,
    (id, now): (Uuid, OffsetDateTime),
    body: &Bytes,
) -> Builder {
    let request = match secret {
        Some(secret) => request
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", now.unix_timestamp())
            .header("webhook-signature", secret.sign(id, now, body)),
        None => request,
    };
    // Of an empty one it would not be said.
    request.header(CONTENT_LENGTH, body.len())
}

/// Two transactions must never have one key: the second would be taken for a repetition, and never be done. No source's
/// name contains a colon, so the first one ends it; and a built-in id that begins like a key of another source has it
/// encoded.
fn key(webhook: &Webhook) -> String {
    let id = visible(webhook.transaction_id.as_ref());
    if !webhook.source.is_built_in() {
        return format!("{}:{id}", webhook.source);
    }
    match id.split_once(':') {
        Some((name, rest)) if name.parse::<SourceName>().is_ok() => format!("{name}%3A{rest}"),
        _ => id.into_owned(),
    }
}

/// What its sender has said about an event beside the body.
fn about_event(request: Builder, source: &SourceName, event: &Event) -> Builder {
    let content_type = event.payload.content_type.as_deref();
    let content_type = content_type.filter(|text| text.is_ascii());
    let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    let sent_at = event.payload.sent_at;
    let sent_at = sent_at.and_then(|time| time.format(&Rfc3339).ok());
    let kind = event.kind.as_ref().map(|kind| visible(kind.as_ref()));
    let mut request = request
        .header(CONTENT_TYPE, content_type.unwrap_or(UNKNOWN))
        .header("hookline-source", source.as_ref());
    if let Some(kind) = kind {
        request = request.header("hookline-type", kind.as_ref());
    }
    if let Some(sent_at) = sent_at {
        request = request.header("hookline-sent-at", sent_at);
    }
    request
}

fn visible(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, NOT_IN_A_HEADER).into()
}

//! What downstream receives.

use entity::{Webhook, lifecycle::Job};
use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{address::Address, signature::Secret, silence::Silence};

const HOOKLINE: &str = concat!("hookline/", env!("CARGO_PKG_VERSION"));
/// What is encoded in a key, beside everything beyond ASCII. The value of a header is trimmed on its way
/// and is not UTF-8, so `a` and `a ` would become one key; and `%` itself, or `a ` and `a%20` would. Two
/// ids must never become one key: the second would be taken for a repetition, and never be done.
const NOT_IN_A_KEY: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

pub(super) fn build(
    address: &Address,
    secret: Option<&Secret>,
    job: &Job,
    now: OffsetDateTime,
) -> Result<Request<Full<Bytes>>, Silence> {
    let body = body(&job.webhook)?;
    let key = utf8_percent_encode(job.webhook.transaction_id.as_ref(), NOT_IN_A_KEY).to_string();
    let mut request = Request::post(address.target())
        .header(HOST, address.host_header())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, HOOKLINE)
        .header("idempotency-key", key)
        .header("hookline-attempt", job.attempt);
    if let Some(authorization) = &address.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if let Some(secret) = secret {
        request = request
            .header("webhook-id", job.id.to_string())
            .header("webhook-timestamp", now.unix_timestamp())
            .header("webhook-signature", secret.sign(job.id, now, &body));
    }
    Ok(request.body(Full::new(Bytes::from(body)))?)
}

fn body(webhook: &Webhook) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        transaction_id: &'a str,
        source_account: &'a str,
        destination_account: &'a str,
        /// Digit by digit: a number of JSON's own would pass through binary floating point.
        amount: Box<RawValue>,
        currency: &'a str,
    }
    serde_json::to_vec(&Body {
        transaction_id: webhook.transaction_id.as_ref(),
        source_account: webhook.source_account.as_ref(),
        destination_account: webhook.destination_account.as_ref(),
        amount: RawValue::from_string(webhook.amount.to_string())?,
        currency: webhook.currency.as_ref(),
    })
}

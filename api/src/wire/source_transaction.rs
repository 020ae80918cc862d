//! A transaction of any source, to whoever looks it up.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use entity::{failure, lifecycle::repeats::Beside, payload, transaction::Model};
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Amount, Failure, Repeats, Status,
    raw::{Raw, RawObject},
};

/// A source's event and what has become of it. Of the members that an event need not have, those are there that it has.
#[derive(Serialize, Object)]
#[oai(example)]
#[oai(skip_serializing_if_is_none)]
pub struct SourceTransaction {
    /// The source, as its path names it.
    source: String,
    /// The sender's id of the event, or one that was made for it.
    transaction_id: String,
    /// The sender's word for what has happened.
    #[oai(rename = "type")]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// The paying account.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_account: Option<String>,
    /// The receiving account.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_account: Option<String>,
    /// How much: equal in value to what was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Amount>,
    /// Three capital letters (ISO 4217).
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// Where the transaction is in its life.
    status: Status,
    /// When it was committed (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was processed (RFC 3339, UTC); `null` until then.
    #[oai(nullable, skip_serializing_if_is_none = false)]
    #[serde(with = "time::serde::rfc3339::option")]
    processed_at: Option<OffsetDateTime>,
    /// The sender's time (RFC 3339).
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    sent_at: Option<OffsetDateTime>,
    /// The members of a webhook of the built-in source beyond its five, as they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<RawObject>,
    /// The event as it was sent, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Raw>,
    /// The event's bytes in base64, if they are no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    /// Why it is `FAILED`; only there if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    /// How often the id came again; only there if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<Repeats>,
    /// How many other contents have come under the id, up to 101; only there if any did.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts: Option<i64>,
}

impl SourceTransaction {
    /// Without `payload` the event has none, or it is kept no more.
    pub fn new(
        row: Model,
        payload: Option<payload::Model>,
        failure: Option<failure::Model>,
    ) -> Self {
        let sent_at = payload.as_ref().and_then(|payload| payload.sent_at);
        let (json, base64) = match payload {
            Some(payload) => either(&payload.body),
            None => (None, None),
        };
        Self {
            source: row.source.into(),
            transaction_id: row.transaction_id.into(),
            kind: row.kind.map(String::from),
            source_account: row.source_account.map(String::from),
            destination_account: row.destination_account.map(String::from),
            amount: row.amount.map(Amount::from),
            currency: row.currency.map(String::from),
            status: row.status.into(),
            created_at: row.created_at,
            processed_at: row.processed_at,
            sent_at,
            extra: row.extra.as_deref().and_then(RawObject::new),
            payload: json,
            payload_base64: base64,
            failure: failure.map(Failure::from),
            repeats: None,
            conflicts: None,
        }
    }

    /// The same, with what else came under its id.
    pub fn with(self, beside: &Beside) -> Self {
        Self {
            repeats: Repeats::new(beside.repeats, beside.last_repeat_at),
            conflicts: (beside.conflicts > 0).then_some(beside.conflicts),
            ..self
        }
    }

    pub(super) fn without_payload(self) -> Self {
        Self {
            sent_at: None,
            payload: None,
            payload_base64: None,
            ..self
        }
    }
}

/// JSON, or base64.
pub(super) fn either(body: &[u8]) -> (Option<Raw>, Option<String>) {
    match std::str::from_utf8(body).ok().and_then(Raw::new) {
        Some(json) => (Some(json), None),
        None => (None, Some(STANDARD.encode(body))),
    }
}

impl Example for SourceTransaction {
    fn example() -> Self {
        let created_at = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600);
        Self {
            source: "stripe".into(),
            transaction_id: "evt_1NG8Du2eZvKYlo2CUI79vXWy".into(),
            kind: Some("charge.succeeded".into()),
            source_account: None,
            destination_account: Some("acct_1032D82eZvKYlo2C".into()),
            amount: Some(Amount::example()),
            currency: Some("INR".into()),
            status: Status::Processed,
            created_at,
            processed_at: Some(created_at + time::Duration::seconds(30)),
            sent_at: Some(created_at - time::Duration::seconds(1)),
            extra: None,
            payload: Raw::new(
                r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","type":"charge.succeeded","created":1705314599}"#,
            ),
            payload_base64: None,
            failure: None,
            repeats: None,
            conflicts: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_shown_as_it_was_sent_and_all_else_in_base64() {
        for json in [
            r#"{"a":1.10,"b":"\/"}"#,
            "null",
            "[ 1e400 ]",
            "12345678901234567890.10",
        ] {
            let (raw, base64) = either(json.as_bytes());
            assert_eq!(serde_json::to_string(&raw).unwrap(), json);
            assert_eq!(base64, None);
        }
        for (body, text) in [
            (&b"a=1&b=2"[..], "YT0xJmI9Mg=="),
            (b"", ""),
            (b"\"\xff\"", "Iv8i"),
        ] {
            let (raw, base64) = either(body);
            assert!(raw.is_none());
            assert_eq!(base64.as_deref(), Some(text));
        }
    }
}

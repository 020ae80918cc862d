//! The bytes that downstream receives.

use std::{fmt, sync::Arc};

use entity::{Content, Payment, TransactionId, lifecycle::Job};
use hyper::body::Bytes;
use serde::{
    Deserialize, Deserializer, Serializer as _,
    de::{MapAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::value::RawValue;

/// What the built-in source takes, and beside it what else its sender has said, in its order.
///
/// # Errors
/// What is kept as the other members is no JSON object.
pub(super) fn of_payment(id: &TransactionId, payment: &Payment) -> serde_json::Result<Bytes> {
    // Digit by digit: a number of JSON's own would pass through binary floating point.
    let amount = RawValue::from_string(payment.amount.to_string())?;
    let texts = [
        ("transaction_id", id.as_ref()),
        ("source_account", payment.source_account.as_ref()),
        ("destination_account", payment.destination_account.as_ref()),
    ];
    let mut body = Vec::new();
    let mut json = serde_json::Serializer::new(&mut body);
    let mut members = json.serialize_map(None)?;
    for (name, text) in texts {
        members.serialize_entry(name, text)?;
    }
    members.serialize_entry("amount", &amount)?;
    members.serialize_entry("currency", payment.currency.as_ref())?;
    if let Some(extra) = &payment.extra {
        let Members(extra) = serde_json::from_str(extra)?;
        for (name, value) in extra.iter().filter(|(name, _)| !is_taken(name)) {
            members.serialize_entry(name, value)?;
        }
    }
    members.end()?;
    Ok(body.into())
}

/// Whether a reader may take this name for one of the five, of which the last in a document counts for most: Go's, and
/// others if they are told to, do not tell upper from lower case, nor letters from those that only stand for them.
fn is_taken(name: &str) -> bool {
    let folded = name.to_uppercase().to_lowercase();
    matches!(
        folded.as_str(),
        "transaction_id" | "source_account" | "destination_account" | "amount" | "currency"
    )
}

/// Each member of an object as it was sent: no number becomes binary floating point.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// An event's own bytes, which are not copied.
pub(super) fn of_event(job: &Arc<Job>) -> Bytes {
    struct Payload(Arc<Job>);

    impl AsRef<[u8]> for Payload {
        fn as_ref(&self) -> &[u8] {
            match &self.0.webhook.content {
                Content::Event(event) => &event.payload.body,
                Content::Payment(_) => &[],
            }
        }
    }

    Bytes::from_owner(Payload(job.clone()))
}

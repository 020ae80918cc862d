//! An event as a source has told it becomes a webhook as it is stored.

use entity::{
    Account, Amount, Content, Currency, Event, EventType, Fields, Payload, SourceName,
    TransactionId, Webhook,
};
use poem::http::{HeaderMap, header};
use uuid::Uuid;

use super::headers;
use crate::Sender;

/// Bytes of a content type that is kept.
const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// The events of one request, which came with these headers. `None` if one of them cannot be stored.
pub(super) fn webhooks(
    sender: &Sender,
    headers: &HeaderMap,
    events: Vec<source::Event<'_>>,
) -> Option<Vec<Webhook>> {
    if events.is_empty() {
        return Some(Vec::new());
    }
    let source: SourceName = sender.name.parse().ok()?;
    let content_type = content_type(headers);
    let kept = headers::kept(&sender.source, headers);
    let webhook = |event: source::Event<'_>| {
        // Where the sender gives none, each request is an event of its own.
        let id = event.id.unwrap_or_else(|| Uuid::now_v7().to_string());
        let event_type = event.kind.and_then(|text| EventType::try_from(text).ok());
        Some(Webhook {
            source: source.clone(),
            transaction_id: TransactionId::try_from(id).ok()?,
            content: Content::Event(Box::new(Event {
                kind: event_type,
                fields: fields(event.fields),
                payload: Payload {
                    content_type: content_type.clone(),
                    headers: kept.clone(),
                    body: event.content.to_vec(),
                    sent_at: event.time,
                },
            })),
        })
    };
    events.into_iter().map(webhook).collect()
}

/// What cannot be kept faithfully is not there: a genuine event is a genuine event all the same.
fn fields(fields: source::Fields) -> Fields {
    let account = |text: Option<String>| text.and_then(|text| Account::try_from(text).ok());
    Fields {
        source_account: account(fields.source_account),
        destination_account: account(fields.destination_account),
        amount: fields.amount.and_then(|text| text.parse::<Amount>().ok()),
        currency: fields
            .currency
            .and_then(|text| Currency::try_from(text).ok()),
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_kept = !text.is_empty() && text.len() <= CONTENT_TYPE_BYTES_MAX;
    is_kept.then(|| text.to_owned())
}

//! What a sender says.

use ring::digest::{Context, SHA256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Account, Amount, Currency, EventType, SourceName, TransactionId};

/// One event, as its sender tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Whose it is: two sources may use the same id.
    pub source: SourceName,
    /// The sender's id of it.
    pub transaction_id: TransactionId,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The built-in source's.
    Payment(Payment),
    /// Any other source's.
    Event(Box<Event>),
}

/// What the built-in source takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The account that pays.
    pub source_account: Account,
    /// The account that receives.
    pub destination_account: Account,
    pub amount: Amount,
    pub currency: Currency,
    /// The members beyond those, as a JSON object, as they were sent. They make no conflict.
    pub extra: Option<String>,
}

/// What any other source takes: the bytes as they came, and what was found in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The sender's word for what has happened.
    pub kind: Option<EventType>,
    pub fields: Fields,
    pub payload: Payload,
}

/// What an event can be searched and compared by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub source_account: Option<Account>,
    pub destination_account: Option<Account>,
    pub amount: Option<Amount>,
    pub currency: Option<Currency>,
}

/// An event's bytes, and what came with them. They make no conflict: senders change them from try to try.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    pub content_type: Option<String>,
    /// The headers that are kept, as a JSON object of texts.
    pub headers: Option<String>,
    pub body: Vec<u8>,
    /// The sender's time.
    pub sent_at: Option<OffsetDateTime>,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload")
            .field("content_type", &self.content_type)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Stands between the fields in what a fingerprint is made of. No field can hold it.
const SEPARATOR: &str = "\u{1f}";

impl Webhook {
    /// Says whether two webhooks of one id say the same: type, accounts, amount and currency decide. The first 16 bytes
    /// of the SHA-256 of those, in this order, each but the last followed by U+001F; empty where there is none, and the
    /// amount with four digits after its point.
    pub fn fingerprint(&self) -> Uuid {
        let amount = self.amount().map(|amount| amount.with_four_digits());
        let fields = [
            self.kind().unwrap_or_default(),
            self.source_account().unwrap_or_default(),
            self.destination_account().unwrap_or_default(),
            amount.as_deref().unwrap_or_default(),
            self.currency().unwrap_or_default(),
        ];
        let mut context = Context::new(&SHA256);
        for (index, field) in fields.into_iter().enumerate() {
            if index > 0 {
                context.update(SEPARATOR.as_bytes());
            }
            context.update(field.as_bytes());
        }
        let digest = context.finish();
        let mut bytes = [0; 16];
        for (byte, digested) in bytes.iter_mut().zip(digest.as_ref()) {
            *byte = *digested;
        }
        Uuid::from_bytes(bytes)
    }

    pub fn kind(&self) -> Option<&str> {
        match &self.content {
            Content::Payment(_) => None,
            Content::Event(event) => event.kind.as_ref().map(AsRef::as_ref),
        }
    }

    pub fn source_account(&self) -> Option<&str> {
        match &self.content {
            Content::Payment(payment) => Some(payment.source_account.as_ref()),
            Content::Event(event) => event.fields.source_account.as_ref().map(AsRef::as_ref),
        }
    }

    pub fn destination_account(&self) -> Option<&str> {
        match &self.content {
            Content::Payment(payment) => Some(payment.destination_account.as_ref()),
            Content::Event(event) => event.fields.destination_account.as_ref().map(AsRef::as_ref),
        }
    }

    pub fn amount(&self) -> Option<Amount> {
        match &self.content {
            Content::Payment(payment) => Some(payment.amount),
            Content::Event(event) => event.fields.amount,
        }
    }

    pub fn currency(&self) -> Option<&str> {
        match &self.content {
            Content::Payment(payment) => Some(payment.currency.as_ref()),
            Content::Event(event) => event.fields.currency.as_ref().map(AsRef::as_ref),
        }
    }

    pub fn extra(&self) -> Option<&str> {
        match &self.content {
            Content::Payment(payment) => payment.extra.as_deref(),
            Content::Event(_) => None,
        }
    }

    pub fn payload(&self) -> Option<&Payload> {
        match &self.content {
            Content::Payment(_) => None,
            Content::Event(event) => Some(&event.payload),
        }
    }
}

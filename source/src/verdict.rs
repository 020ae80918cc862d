//! What a request is.

use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Proven, and these are its events: to be committed together, or none of them. There may be none.
    Genuine(Vec<Event<'a>>),
    /// A question that a sender asks of a new address. It is answered and nothing is stored.
    Handshake(Reply),
    /// Nothing is stored but a line in the ledger of refusals.
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Says what is the same event, within its source: 1 to 255 bytes, without control characters. `None`: the sender
    /// gives none and each request is an event of its own, so whoever stores it makes one.
    pub id: Option<String>,
    /// The sender's word for what has happened.
    pub kind: Option<String>,
    /// The sender's time.
    pub time: Option<OffsetDateTime>,
    /// The bytes as they came: the whole body, or this item of it.
    pub content: &'a [u8],
    pub fields: Fields,
}

/// What an event can be searched and compared by, as far as it was found: a genuine event whose amount cannot be read is a
/// genuine event all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub source_account: Option<String>,
    pub destination_account: Option<String>,
    /// In units of the currency, in JSON's notation of a number. It was never a binary floating point.
    pub amount: Option<String>,
    /// Three capital letters.
    pub currency: Option<String>,
}

/// An answer, to be sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: String,
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            body: String::new(),
        }
    }

    pub(crate) fn text(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            content_type: Some("text/plain".to_owned()),
            body: body.into(),
        }
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self {
            status: 200,
            content_type: Some("application/json".to_owned()),
            body: body.to_string(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the ledger. The sender is not told.
    pub reason: Reason,
    /// The status of the answer, whose body is empty: some senders want that, and none is told why. With 405 goes
    /// `Allow: POST`.
    pub status: u16,
}

/// In the order of how much of the proof was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// There is no signature, or something that it signs is not there.
    MissingHeader,
    /// What should prove it cannot be read, or can be read in two ways.
    Malformed,
    /// No signature fits any secret.
    Mismatch,
    /// A signature fits, and its time is this many seconds ago; in the future, if that is negative.
    Stale { skew: i64 },
    /// It is proven, and no event can be read from it.
    Unreadable,
}

impl Reason {
    /// Its name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::Stale { .. } => "stale",
            Self::Unreadable => "unreadable",
        }
    }
}

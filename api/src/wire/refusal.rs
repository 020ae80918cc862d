//! Requests that were refused, to whoever asks why a sender is.

use entity::refusal::Model;
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

/// Some lines of the ledger of refusals, newest first.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct RefusalPage {
    /// The lines. Of more than ten a second of one source, the others are not kept.
    pub data: Vec<Refusal>,
    /// Where the next page begins, for the parameter `cursor`; `null` if there is no more. There may be one after an empty
    /// page, too: it says how far has been looked.
    #[oai(nullable)]
    pub next_cursor: Option<String>,
}

/// A request that was not proven to be its sender's.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct Refusal {
    /// To which source it came.
    pub source: String,
    /// Why: `mismatch`, `missing_header`, `malformed`, `stale` or `unreadable`.
    pub reason: String,
    /// How many seconds before it was signed, if it is `stale`; in the future, if that is negative.
    #[oai(nullable)]
    pub skew_s: Option<i64>,
    /// Bytes of its body.
    pub size: i64,
    /// SHA-256 of its body, in hex. The body is not kept.
    pub sha256: String,
    /// When (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub refused_at: OffsetDateTime,
}

impl From<Model> for Refusal {
    fn from(row: Model) -> Self {
        Self {
            source: row.source.into(),
            reason: row.reason,
            skew_s: row.skew_s,
            size: row.size,
            sha256: row.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            refused_at: row.refused_at,
        }
    }
}

impl Example for RefusalPage {
    fn example() -> Self {
        Self {
            data: vec![Refusal::example()],
            next_cursor: None,
        }
    }
}

impl Example for Refusal {
    fn example() -> Self {
        Self {
            source: "stripe".into(),
            reason: "stale".into(),
            skew_s: Some(412),
            size: 1042,
            sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
            refused_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_630),
        }
    }
}

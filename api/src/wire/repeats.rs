//! How often a transaction's id came again.

use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

/// How often the id came again, with the same content or other; only there if it did.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Repeats {
    /// How often. A process that dies may take a second of it along.
    count: i64,
    /// When it did last (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
}

impl Repeats {
    /// `None` if it never did.
    pub(super) fn new(count: Option<i64>, last_at: Option<OffsetDateTime>) -> Option<Self> {
        Some(Self {
            count: count?,
            last_at: last_at?,
        })
    }
}

impl Example for Repeats {
    fn example() -> Self {
        Self {
            count: 2,
            last_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_318_200),
        }
    }
}

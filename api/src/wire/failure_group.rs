//! What has failed for one reason, to whoever asks what fails.

use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

/// Failed transactions by what they have in common.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct FailureGroups {
    /// The largest first.
    pub data: Vec<FailureGroup>,
    /// Whether transactions that were received earlier have not been looked at.
    pub more: bool,
}

/// Failed transactions of one source and reason.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct FailureGroup {
    /// Their source; `null` if their rows are kept no more.
    #[oai(nullable)]
    pub source: Option<String>,
    /// Why they were given up, in one word.
    pub verdict: String,
    /// The HTTP status of downstream's last answers; `null` if there was none.
    #[oai(nullable)]
    pub status: Option<i32>,
    /// Why, for people, with an `N` for each number.
    pub error: String,
    /// How many.
    pub count: u64,
    /// When the first of them failed (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    pub first: OffsetDateTime,
    /// When the last of them did.
    #[serde(with = "time::serde::rfc3339")]
    pub last: OffsetDateTime,
    /// The sender's id of the last; `null` if its row is kept no more.
    #[oai(nullable)]
    pub sample: Option<String>,
}

impl Example for FailureGroups {
    fn example() -> Self {
        Self {
            data: vec![FailureGroup::example()],
            more: false,
        }
    }
}

impl Example for FailureGroup {
    fn example() -> Self {
        let first = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_630);
        Self {
            source: Some("stripe".into()),
            verdict: "PERMANENT".into(),
            status: Some(422),
            error: "answered N Unprocessable Entity: account N is closed".into(),
            count: 19,
            first,
            last: first + time::Duration::minutes(12),
            sample: Some("evt_1NG8Du2eZvKYlo2CUI79vXWy".into()),
        }
    }
}

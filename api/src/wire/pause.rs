//! Pauses, to whoever begins or lists them.

use entity::pause::Model;
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use time::OffsetDateTime;

/// What to pause, and until when.
#[derive(Object)]
#[oai(example)]
pub(crate) struct PauseRequest {
    /// The source's name, or `*` for everything.
    #[oai(rename = "source")]
    paused: String,
    /// When it ends by itself (RFC 3339); without, when it is resumed. In the future.
    #[oai(skip_serializing_if_is_none)]
    until: Option<OffsetDateTime>,
    /// Why, for whoever asks later.
    reason: String,
}

/// A pause that is in force.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct Pause {
    /// The source's name, or `*` for everything.
    #[oai(rename = "source")]
    #[serde(rename = "source")]
    paused: String,
    /// When it ends by itself (RFC 3339, UTC); `null` if when it is resumed.
    #[oai(nullable)]
    #[serde(with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
    /// Who has said so: the token's name, or the command line's user.
    who: String,
    /// Why.
    reason: String,
    /// When that was (RFC 3339, UTC).
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

/// What is paused.
#[derive(Serialize, Object)]
#[oai(example)]
pub struct PauseList {
    /// The pauses that are in force, in the order of their names.
    pub data: Vec<Pause>,
}

impl From<Model> for Pause {
    fn from(row: Model) -> Self {
        let until = row.until.and_then(|millis| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
        });
        Self {
            paused: row.source,
            until,
            who: row.who,
            reason: row.reason,
            since: row.since,
        }
    }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1_705_314_600 + seconds)
}

impl Example for PauseRequest {
    fn example() -> Self {
        Self {
            paused: "stripe".into(),
            until: None,
            reason: "their sandbox sends nonsense".into(),
        }
    }
}

impl Example for Pause {
    fn example() -> Self {
        Self {
            paused: "stripe".into(),
            until: Some(at(3600)),
            who: "anna".into(),
            reason: "their sandbox sends nonsense".into(),
            since: at(0),
        }
    }
}

impl Example for PauseList {
    fn example() -> Self {
        Self {
            data: vec![Pause::example()],
        }
    }
}

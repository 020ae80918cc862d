//! How the whole is, as JSON, and as it is told line by line.

use entity::{lifecycle::overview, pause};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::Address;

#[derive(Serialize)]
pub(super) struct Document {
    /// What the database is, and where.
    pub(super) database: String,
    pub(super) outbox: Waiting,
    pub(super) retries: Waiting,
    pub(super) failures: Count,
    pub(super) consumers: Vec<Consumer>,
    pub(super) sources: Vec<Source>,
    pub(super) pauses: Vec<Pause>,
}

/// What is not processed for now.
#[derive(Serialize)]
pub(super) struct Pause {
    /// The source's name; `*` is everything.
    pub(super) source: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) since: OffsetDateTime,
    /// `null` if when it is resumed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) until: Option<OffsetDateTime>,
    pub(super) who: String,
    pub(super) reason: String,
}

#[derive(Serialize)]
pub(super) struct Count {
    pub(super) count: u64,
    /// Whether there are more than that.
    pub(super) more: bool,
}

#[derive(Serialize)]
pub(super) struct Waiting {
    #[serde(flatten)]
    pub(super) count: Count,
    /// For how long what was due first has been due; 0 if nothing is.
    pub(super) overdue_ms: u64,
}

#[derive(Serialize)]
pub(super) struct Consumer {
    pub(super) id: Uuid,
    pub(super) alive: bool,
    /// Negative if the lease is over.
    pub(super) lease_left_ms: i64,
    /// Whether its process has the queue inside it.
    pub(super) embedded: bool,
}

#[derive(Serialize)]
pub(super) struct Source {
    pub(super) source: String,
    /// `null` if it has sent nothing among the newest 20,000 transactions.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) last_received_at: Option<OffsetDateTime>,
    /// How many of those it has sent.
    pub(super) of_the_newest: i64,
}

impl Document {
    pub(super) fn of(
        address: &Address,
        counts: overview::Counts,
        consumers: Vec<overview::Consumer>,
        sources: Vec<overview::Seen>,
        pauses: Vec<pause::Model>,
    ) -> Self {
        let waiting = |entries, overdue_ms: Option<i64>| Waiting {
            count: count(entries),
            overdue_ms: overdue_ms.map_or(0, |overdue| overdue.max(0).unsigned_abs()),
        };
        Self {
            database: address.to_string(),
            outbox: waiting(counts.outbox, counts.outbox_overdue_ms),
            retries: waiting(counts.retries, counts.retries_overdue_ms),
            failures: count(counts.failures),
            consumers: consumers.into_iter().map(Consumer::from).collect(),
            sources: sources.into_iter().map(Source::from).collect(),
            pauses: pauses.into_iter().map(Pause::from).collect(),
        }
    }
}

fn count(entries: i64) -> Count {
    let entries = entries.unsigned_abs();
    Count {
        count: entries.min(overview::COUNTED_MAX),
        more: entries > overview::COUNTED_MAX,
    }
}

impl From<overview::Consumer> for Consumer {
    fn from(consumer: overview::Consumer) -> Self {
        Self {
            id: consumer.id,
            alive: !consumer.dead && consumer.lease_left_ms > 0,
            lease_left_ms: consumer.lease_left_ms,
            embedded: consumer.embedded,
        }
    }
}

impl From<pause::Model> for Pause {
    fn from(row: pause::Model) -> Self {
        let until = row.until.and_then(|millis| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
        });
        Self {
            source: row.source,
            since: row.since,
            until,
            who: row.who,
            reason: row.reason,
        }
    }
}

impl From<overview::Seen> for Source {
    fn from(seen: overview::Seen) -> Self {
        Self {
            source: seen.source.into(),
            last_received_at: seen.last,
            of_the_newest: seen.among,
        }
    }
}

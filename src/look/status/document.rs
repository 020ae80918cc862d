//! How the whole is, as JSON, and as it is told line by line.

use std::time::Duration;

use entity::{SourceName, lifecycle::overview, pause};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{alerts::silence::Known, database::Address};

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
    /// When its last genuine event came, also if it was a repeat; `null` if none has come to this version.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) last_verified_at: Option<OffsetDateTime>,
    /// Whether it has ever sent anything that was committed.
    #[serde(skip)]
    pub(super) ever: bool,
    /// Its rule, where this command sees its configuration.
    pub(super) silent_after_s: Option<u64>,
    /// Requests in its name that were refused within the last 15 minutes.
    pub(super) refused_within_15m: i64,
    /// Whether its last genuine event is older than its rule allows, or it is refused and nothing genuine comes.
    pub(super) silent: bool,
    #[serde(skip)]
    pub(super) breaks_rule: bool,
}

/// What is known of sources.
pub(super) struct Sources<'r> {
    /// Those that have ever sent anything.
    pub(super) seen: Vec<overview::Seen>,
    pub(super) known: Known,
    /// How long each may be silent.
    pub(super) rules: &'r [(SourceName, Duration)],
}

impl Document {
    pub(super) fn of(
        address: &Address,
        counts: overview::Counts,
        consumers: Vec<overview::Consumer>,
        sources: Sources<'_>,
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
            sources: sources.told(),
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

impl Sources<'_> {
    /// Each source of which anything is known, by name.
    fn told(self) -> Vec<Source> {
        let Self {
            mut seen,
            known,
            rules,
        } = self;
        let silences = known.silences(rules);
        let Known { heard, refused } = known;
        let ever: Vec<SourceName> = seen.iter().map(|seen| seen.source.clone()).collect();
        let ruled = rules.iter().map(|(source, _)| source);
        for source in heard.iter().map(|heard| &heard.source).chain(ruled) {
            if seen.iter().all(|seen| seen.source != *source) {
                seen.push(overview::Seen {
                    source: source.clone(),
                    last: None,
                    among: 0,
                });
            }
        }
        seen.sort_by(|one, other| one.source.as_ref().cmp(other.source.as_ref()));
        let told = seen.into_iter().map(|seen| {
            let heard = heard.iter().find(|heard| heard.source == seen.source);
            let rule = rules.iter().find(|(source, _)| *source == seen.source);
            let rule = rule.map(|(_, after)| *after);
            let last = heard.filter(|heard| !heard.never);
            let refused = refused.iter().find(|(source, _)| *source == seen.source);
            let silence = silences
                .iter()
                .find(|silence| silence.source == seen.source);
            Source {
                last_received_at: seen.last,
                of_the_newest: seen.among,
                last_verified_at: last.map(|heard| OffsetDateTime::now_utc() - heard.ago),
                ever: ever.contains(&seen.source),
                silent_after_s: rule.map(|after| after.as_secs()),
                refused_within_15m: refused.map_or(0, |(_, count)| *count),
                silent: silence.is_some(),
                breaks_rule: silence.is_some_and(|silence| silence.silent_after.is_some()),
                source: seen.source.into(),
            }
        });
        told.collect()
    }
}

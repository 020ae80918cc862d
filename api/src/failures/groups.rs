//! Failures by what they have in common.

use std::{cmp::Reverse, collections::HashMap};

use entity::{Verdict, failure::without_numbers, lifecycle::failed::Failed};
use sea_orm::ActiveEnum as _;
use time::OffsetDateTime;

/// What failures of one group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// `None` if the rows are kept no more.
    pub(super) source: Option<String>,
    pub(super) verdict: String,
    /// The HTTP status of downstream's last answer.
    pub(super) status: Option<i32>,
    /// The reason, with an `N` for each number.
    pub(super) error: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: Kind,
    pub(super) count: u64,
    pub(super) first: OffsetDateTime,
    pub(super) last: OffsetDateTime,
    /// The sender's id of the last one.
    pub(super) sample: Option<String>,
}

/// Gathers failures.
#[derive(Default)]
pub(super) struct Groups(HashMap<Kind, Group>);

impl Groups {
    pub(super) fn add(&mut self, failed: Failed) {
        let kind = Kind {
            source: failed.source.map(String::from),
            verdict: Verdict::to_value(&failed.verdict),
            status: failed.status,
            error: without_numbers(&failed.reason),
        };
        let sample = failed.transaction_id.map(String::from);
        let at = failed.failed_at;
        let group = self.0.entry(kind.clone()).or_insert_with(|| Group {
            kind,
            count: 0,
            first: at,
            last: at,
            sample: sample.clone(),
        });
        group.count += 1;
        group.first = group.first.min(at);
        if at > group.last {
            (group.last, group.sample) = (at, sample);
        }
    }

    /// The largest first, and of equals the latest.
    pub(super) fn sorted(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.0.into_values().collect();
        groups.sort_by_key(|group| Reverse((group.count, group.last)));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(id: &str, reason: &str, status: Option<i32>, at: i64) -> Failed {
        Failed {
            id: Default::default(),
            verdict: entity::Verdict::Permanent,
            reason: reason.into(),
            failed_at: OffsetDateTime::from_unix_timestamp(at).unwrap(),
            status,
            source: Some("stripe".parse().unwrap()),
            transaction_id: Some(id.parse().unwrap()),
        }
    }

    #[test]
    fn reasons_that_differ_in_numbers_alone_are_one() {
        let mut groups = Groups::default();
        for failed in [
            failed("a", "order 17 of 2024-01-05 is unknown", Some(404), 20),
            failed("b", "order 4711 of 2025-11-30 is unknown", Some(404), 30),
            failed("c", "order 1 of 2024-01-05 is unknown", Some(404), 10),
            failed("d", "order 1 of 2024-01-05 is unknown", Some(410), 40),
        ] {
            groups.add(failed);
        }
        let groups = groups.sorted();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].kind.error, "order N of N-N-N is unknown");
        assert_eq!(
            (groups[0].count, groups[0].sample.as_deref()),
            (3, Some("b"))
        );
        assert_eq!(groups[0].first.unix_timestamp(), 10);
        assert_eq!(groups[0].last.unix_timestamp(), 30);
        assert_eq!(groups[1].kind.status, Some(410));
    }
}

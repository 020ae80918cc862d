//! What is counted of one source.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use entity::lifecycle::Receipt;
use meter::{Buckets, Counter, Histogram, Snapshot};
use poem::http::StatusCode;
use source::Reason;

/// From the moment at which a handler has a webhook to its answer.
const ACK: Buckets = Buckets::micros(&[
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000, 350_000, 500_000, 1_000_000,
]);

/// What becomes of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed, for the first time.
    Accepted,
    Duplicate,
    /// A duplicate with other content.
    Conflict,
    /// Not proven to be its sender's.
    Unauthenticated,
    /// Of no use: too long, no JSON, no event in it.
    Invalid,
    /// Turned away because it would have been answered too late.
    Shed,
    /// Answered with 503 because its commit did not come in time. It may have been committed after all, and then counts as
    /// that, too.
    NotCommitted,
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Accepted, "accepted"),
    (Outcome::Duplicate, "duplicate"),
    (Outcome::Conflict, "conflict"),
    (Outcome::Unauthenticated, "unauthenticated"),
    (Outcome::Invalid, "invalid"),
    (Outcome::Shed, "shed"),
    (Outcome::NotCommitted, "not_committed"),
];

impl Outcome {
    pub(crate) fn of(receipt: &Receipt) -> Self {
        match receipt {
            Receipt::New => Self::Accepted,
            Receipt::Duplicate {
                conflict: false, ..
            } => Self::Duplicate,
            Receipt::Duplicate { conflict: true, .. } => Self::Conflict,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        // The list above is in this order.
        OUTCOMES[self as usize].1
    }
}

/// What senders are answered: what they take for success, a refusal, or to come again.
const ANSWERS: [&str; 3] = ["accepted", "refused", "shed"];

/// What came of proofs that failed.
const REFUSED: [&str; 5] = [
    "missing_header",
    "malformed",
    "mismatch",
    "stale",
    "unreadable",
];
/// Which of a source's secrets it was, in the order of its configuration; those beyond are counted with the last.
const SECRETS: [&str; 4] = ["1", "2", "3", "4"];

/// Counted by everybody who has to do with the source's webhooks.
#[derive(Debug)]
pub(crate) struct SourceMetrics {
    outcomes: [Counter; OUTCOMES.len()],
    acks: [Histogram; ANSWERS.len()],
    refused: [Counter; REFUSED.len()],
    proven: [Counter; SECRETS.len()],
    /// Something genuine has come since this was last asked.
    is_heard: AtomicBool,
}

impl Default for SourceMetrics {
    fn default() -> Self {
        Self {
            outcomes: Default::default(),
            acks: std::array::from_fn(|_| Histogram::new(ACK)),
            refused: Default::default(),
            proven: Default::default(),
            is_heard: AtomicBool::new(false),
        }
    }
}

impl SourceMetrics {
    /// So many webhooks have come to this.
    pub(crate) fn came_to(&self, outcome: Outcome, webhooks: usize) {
        // The list above is in this order.
        self.outcomes[outcome as usize].add(webhooks as u64);
    }

    /// A request with webhooks was answered so, after so long.
    pub(crate) fn answered(&self, status: StatusCode, after: Duration) {
        let answer = match status.as_u16() {
            ..400 => 0,
            400..500 => 1,
            _ => 2,
        };
        self.acks[answer].took(after);
    }

    /// A request was proven with this one of the source's secrets.
    pub(crate) fn proven(&self, secret: usize) {
        self.proven[secret.min(SECRETS.len() - 1)].inc();
        self.heard();
    }

    /// A request was refused.
    pub(crate) fn refused(&self, reason: Reason) {
        let name = reason.name();
        if let Some(at) = REFUSED.iter().position(|refused| *refused == name) {
            self.refused[at].inc();
        }
        let outcome = match reason {
            // It is its sender's.
            Reason::Unreadable => Outcome::Invalid,
            _ => Outcome::Unauthenticated,
        };
        self.came_to(outcome, 1);
    }

    /// Something genuine has come from the source.
    pub(crate) fn heard(&self) {
        // When that was, whoever asks every few seconds knows well enough: a clock costs more than the rest of this.
        if !self.is_heard.load(Ordering::Relaxed) {
            self.is_heard.store(true, Ordering::Relaxed);
        }
    }

    /// Whether something genuine has come since this was last asked.
    pub(crate) fn take_heard(&self) -> bool {
        self.is_heard.swap(false, Ordering::Relaxed)
    }

    /// How many webhooks have come to what.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let outcomes = OUTCOMES.iter().zip(&self.outcomes);
        outcomes.map(|((_, name), count)| (*name, count.get()))
    }

    pub(crate) fn acks(&self) -> impl Iterator<Item = (&'static str, Snapshot)> {
        let acks = ANSWERS.iter().zip(&self.acks);
        acks.map(|(answer, took)| (*answer, took.snapshot()))
    }

    /// What proofs have come to, and by which secret.
    pub(crate) fn proofs(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let refused = REFUSED.iter().zip(&self.refused);
        let refused = refused.map(|(reason, count)| (*reason, "", count.get()));
        let proven = SECRETS.iter().zip(&self.proven);
        // A secret that nobody has is not written.
        let proven = proven
            .map(|(secret, count)| ("ok", *secret, count.get()))
            .filter(|(_, secret, count)| *count > 0 || *secret == SECRETS[0]);
        proven.chain(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_and_reason_has_its_name() {
        for (at, (outcome, _)) in OUTCOMES.iter().enumerate() {
            assert_eq!(*outcome as usize, at);
        }
        let metrics = SourceMetrics::default();
        for reason in [
            Reason::MissingHeader,
            Reason::Malformed,
            Reason::Mismatch,
            Reason::Stale { skew: 1 },
            Reason::Unreadable,
        ] {
            metrics.refused(reason);
        }
        let refused = metrics.proofs().filter(|(result, _, _)| *result != "ok");
        assert!(refused.into_iter().all(|(_, _, count)| count == 1));
        let outcomes: Vec<_> = metrics.outcomes().filter(|(_, count)| *count > 0).collect();
        assert_eq!(outcomes, [("unauthenticated", 4), ("invalid", 1)]);
    }

    #[test]
    fn secrets_beyond_the_last_that_is_told_count_with_it() {
        let metrics = SourceMetrics::default();
        assert!(!metrics.take_heard());
        for secret in [0, 3, 4, 100] {
            metrics.proven(secret);
        }
        let proven: Vec<_> = metrics
            .proofs()
            .filter(|(result, _, _)| *result == "ok")
            .collect();
        assert_eq!(proven, [("ok", "1", 1), ("ok", "4", 3)]);
        assert!(metrics.take_heard());
        assert!(!metrics.take_heard());
    }
}

//! What is there once everything is quiet, as the check needs it.

use std::{collections::BTreeSet, time::Duration};

use crate::chaos::webhook::Content;

/// A row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chaos) struct Row {
    pub(in crate::chaos) content: Content,
    pub(in crate::chaos) status: String,
    pub(in crate::chaos) processed_at: Option<String>,
    /// From its commit until it was processed, by the database's clock.
    pub(in crate::chaos) took: Option<Duration>,
}

impl Row {
    pub(super) fn is_final(&self) -> bool {
        self.status != "PROCESSING"
    }
}

/// What is there at the end.
#[derive(Clone, Debug, Default)]
pub(in crate::chaos) struct State {
    pub(in crate::chaos) rows: Vec<Row>,
    pub(in crate::chaos) conflicts: BTreeSet<Content>,
    pub(in crate::chaos) outbox: u64,
    /// The most rows that were ever found `PROCESSING` without an outbox entry, in one look.
    pub(in crate::chaos) unguarded: u64,
    /// What the trigger on the table has noted: final rows written or deleted, contents changed.
    pub(in crate::chaos) rewrites: Vec<String>,
    pub(in crate::chaos) ready: u64,
    pub(in crate::chaos) dead_letters: u64,
    pub(in crate::chaos) idle_in_transaction: u64,
    /// The transactions that downstream refused for good.
    pub(in crate::chaos) refused: BTreeSet<String>,
    /// Those that it refused for a moment only, as during a deployment.
    pub(in crate::chaos) brushed_off: BTreeSet<String>,
    /// Those that it answered with an error of its own.
    pub(in crate::chaos) sick: BTreeSet<String>,
    /// Those that were called as for an attempt after the first.
    pub(in crate::chaos) again: BTreeSet<String>,
    /// The transactions of which it is told why they have failed.
    pub(in crate::chaos) failures: BTreeSet<String>,
}

impl State {
    /// How many have failed for good.
    pub(in crate::chaos) fn failed(&self) -> u64 {
        let failed = self.rows.iter().filter(|row| row.status == "FAILED");
        failed.count() as u64
    }
}

/// How many dead letters are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum DeadLetters {
    Exactly(u64),
    /// Where the fault lets the broker itself give messages up.
    Any,
}

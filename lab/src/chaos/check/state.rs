//! What is there once everything is quiet, as the check needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::chaos::{
    acts::Acts,
    downstream::Call,
    webhook::{Content, Was},
};

/// A row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) content: Content,
    pub(crate) status: String,
    pub(crate) processed_at: Option<String>,
    /// From its commit until it was processed, by the database's clock.
    pub(crate) took: Option<Duration>,
}

impl Row {
    pub(super) fn is_final(&self) -> bool {
        self.status != "PROCESSING"
    }
}

/// What was there before the run, and what has become of it.
#[derive(Clone, Debug)]
pub(crate) struct Old {
    pub(crate) was: Was,
    /// As it stands, or as it stood last.
    pub(crate) row: Row,
    /// Whether retention has left its row.
    pub(crate) is_there: bool,
    /// Whether its key is still that of the same row.
    pub(crate) is_known: bool,
    /// How often its work has ended since.
    pub(crate) ends: u64,
}

impl Old {
    /// Whether its row is `FAILED`, and was not from the first.
    fn has_failed(&self) -> bool {
        self.row.status == "FAILED" && (self.was != Was::Failed || self.ends > 0)
    }
}

/// What is there at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Of the run.
    pub(crate) rows: Vec<Row>,
    /// From before it.
    pub(crate) old: Vec<Old>,
    /// What else is left that is old: of what belongs to those, and of what they were in.
    pub(crate) left_of_the_past: u64,
    pub(crate) conflicts: BTreeSet<Content>,
    pub(crate) outbox: u64,
    /// The most rows that were ever found `PROCESSING` without an outbox entry, in one look.
    pub(crate) unguarded: u64,
    /// What the trigger on the table has noted: final rows written or deleted, contents changed.
    pub(crate) rewrites: Vec<String>,
    pub(crate) ready: u64,
    pub(crate) dead_letters: u64,
    /// Those of them that the fault itself has made.
    pub(crate) made: DeadLetters,
    pub(crate) idle_in_transaction: u64,
    /// Every call of downstream.
    pub(crate) calls: Vec<Call>,
    /// When processes have ended, since downstream was started.
    pub(crate) deaths: Vec<Duration>,
    /// How often a consumer has lost its lease: it has given everything back, and done it in vain.
    pub(crate) lost_leases: u64,
    /// What an operator has asked for.
    pub(crate) acts: Acts,
    /// How often each transaction was reopened.
    pub(crate) reopened: BTreeMap<String, u64>,
    /// The transactions of which it is told why they have failed.
    pub(crate) failures: BTreeSet<String>,
    /// Keys without their row, rows without their key, bytes without their event, and events without their bytes.
    pub(crate) strays: u64,
}

impl State {
    /// All of the run, and those from before as they stand or stood last.
    pub(super) fn all_rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().chain(self.old.iter().map(|old| &old.row))
    }

    /// Those that have failed for good in the run.
    pub(super) fn failed_rows(&self) -> impl Iterator<Item = &Row> {
        let new = self.rows.iter().filter(|row| row.status == "FAILED");
        let old = self.old.iter().filter(|old| old.has_failed());
        new.chain(old.map(|old| &old.row))
    }

    /// How many have failed for good in the run.
    pub(crate) fn failed(&self) -> u64 {
        self.failed_rows().count() as u64
    }
}

/// How many dead letters are right, beside the one of each transaction that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadLetters {
    Exactly(u64),
    /// Where the fault lets the broker itself give messages up.
    Any,
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self::Exactly(0)
    }
}

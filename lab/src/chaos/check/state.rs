//! What is there once everything is quiet, as the check needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::chaos::{acts::Acts, downstream::Call, webhook::Content};

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

/// What is there at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) rows: Vec<Row>,
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
    /// How many have failed for good.
    pub(crate) fn failed(&self) -> u64 {
        let failed = self.rows.iter().filter(|row| row.status == "FAILED");
        failed.count() as u64
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

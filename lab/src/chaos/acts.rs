//! What an operator has asked for, as the check may rely on it.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DbErr;

/// What was asked for, where the answer was that it is done, or none came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acts {
    /// The keys of transactions that were retried alone: how often surely, and how often perhaps.
    pub(super) retried: BTreeMap<String, Times>,
    /// Bulk retries that may have been begun.
    pub(super) bulks: u64,
    pub(super) replayed: BTreeMap<String, Times>,
    /// What was, or may have been, given up.
    pub(super) given_up: BTreeSet<String>,
    pub(super) pauses: u64,
    /// Rounds of retention that came to their end.
    pub(super) retentions: u64,
}

/// How often something was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) surely: u64,
    pub(super) perhaps: u64,
}

impl Times {
    pub(super) fn at_most(self) -> u64 {
        self.surely + self.perhaps
    }

    pub(super) fn count<T>(&mut self, outcome: &Result<T, DbErr>, is_done: impl Fn(&T) -> bool) {
        match outcome {
            Ok(done) => self.surely += u64::from(is_done(done)),
            Err(_) => self.perhaps += 1,
        }
    }
}

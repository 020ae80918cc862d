//! How the group commit does.

use std::time::Duration;

use meter::{Buckets, Histogram};

use crate::slots::BATCH_MAX;

const TOOK: Buckets = Buckets::micros(&[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
]);
/// Nearly always [`BATCH_MAX`] at most: more only where one request brings more.
const ROWS: Buckets = Buckets::numbers(&[1, 2, 4, 8, 16, 32, 64, 128, BATCH_MAX as u64, 512, 1024]);

/// Of each batch.
#[derive(Debug)]
pub(crate) struct Commits {
    /// How long its commit took, whatever came of it.
    pub(super) took: Histogram,
    /// How many webhooks it held.
    pub(super) rows: Histogram,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            took: Histogram::new(TOOK),
            rows: Histogram::new(ROWS),
        }
    }
}

impl Commits {
    /// A batch of so many webhooks was committed, or was not, after so long.
    pub(crate) fn ended(&self, webhooks: usize, after: Duration) {
        self.took.took(after);
        self.rows.observe(webhooks as u64);
    }
}

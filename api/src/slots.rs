//! How much the group commit may do at once. The estimate of a webhook's wait rests on the same figures.

use std::time::Duration;

/// Webhooks in one batch.
pub(crate) const BATCH_MAX: usize = 256;

/// Batches that may be committed at once.
#[derive(Clone, Copy)]
pub struct Slots {
    /// While commits are quick.
    pub count: usize,
    /// While they are slow: another begins [`Slots::WAIT_MAX`] after the last, whatever is under way. Commits that take so
    /// long wait for the disk and share its flushes, so more of them cost nothing, and nobody waits for a slot *and* for
    /// two flushes.
    pub most: usize,
}

impl Slots {
    /// A connection for each. So many cover a flush of 200 ms.
    pub const POSTGRES: Self = Self { count: 2, most: 12 };
    /// It takes one writer at a time.
    pub const SQLITE: Self = Self { count: 1, most: 1 };
    /// For a slot, while less than `most` are under way.
    pub(crate) const WAIT_MAX: Duration = Duration::from_millis(40);
}

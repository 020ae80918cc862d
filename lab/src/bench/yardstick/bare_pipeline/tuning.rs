//! How the bare pipeline is tuned.

#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Tuning {
    /// Rows per insert.
    pub(in crate::bench) insert_batch: u64,
    /// Connections that insert.
    pub(in crate::bench) inserters: u64,
    /// Messages on their way to the broker and not confirmed.
    pub(in crate::bench) window: usize,
    /// Rows per update, at most.
    pub(in crate::bench) update_batch: usize,
    /// Updates at once.
    pub(in crate::bench) updaters: usize,
}

impl Tuning {
    /// For two cores: batches beyond the 256 below which PostgreSQL loses most, and a window that keeps the broker busy.
    /// Chosen from single measurements of the parts, not by a sweep of the whole.
    pub(in crate::bench) const TWO_CORES: Self = Self {
        insert_batch: 512,
        inserters: 2,
        window: 4096,
        update_batch: 1024,
        updaters: 2,
    };
}

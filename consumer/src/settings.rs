//! What a consumer is told.

use std::time::Duration;

use crate::{Schedule, Work};

/// How a consumer works.
pub struct Settings {
    /// What is done for each transaction.
    pub work: Work,
    /// When it is tried again.
    pub retries: Schedule,
    /// Deliveries that are held at most, all of them at work at once.
    pub prefetch: u32,
    /// Who else may be there.
    pub tenancy: Tenancy,
    /// How long a stop waits for calls to downstream that are under way.
    pub grace: Duration,
}

/// Who else may work on the same transactions.
#[derive(Clone, Copy, Debug)]
pub enum Tenancy {
    /// Nobody: this process has locked the database file.
    Exclusive,
    /// Other consumers: everybody works under a lease.
    Shared {
        /// How long the others leave a consumer's work alone after its last sign of life.
        lease: Duration,
        /// The queue is inside this process, and there may be only one such process.
        embedded: bool,
    },
}

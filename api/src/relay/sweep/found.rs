//! What the looks for what is due come back with.

use entity::lifecycle::due::Claimed;
use uuid::Uuid;

/// Ids that one look claims, at most, of each kind.
pub(super) const CLAIM_MAX: u64 = 2048;

/// What a look has found, and claimed.
#[derive(Debug, Default)]
pub(in crate::relay) struct Found {
    /// From the outbox.
    pub(in crate::relay) entries: Vec<Uuid>,
    /// From the retries.
    pub(in crate::relay) retries: Vec<Claimed>,
    /// There may be more, so there is no need to wait.
    pub(in crate::relay) more: bool,
    /// The queue has turned out to be new: what was confirmed before is gone from it.
    pub(in crate::relay) queue_is_new: bool,
}

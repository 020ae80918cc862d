//! What passes between a consumer and its session.

use tokio::sync::{mpsc, watch};

use crate::{Delivery, Settlement};

/// What the consumer wants just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Unsettled deliveries that may be held; 0 is not subscribed.
    pub(super) prefetch: u32,
    /// Counts how often everything was to go back. What belongs to an earlier epoch is void.
    pub(super) epoch: u32,
}

/// Deliveries of one epoch.
pub(super) struct Batch {
    pub(super) epoch: u32,
    pub(super) deliveries: Vec<Delivery>,
}

/// Settlements that were made in one epoch.
pub(super) struct Settled {
    pub(super) epoch: u32,
    pub(super) settled: Vec<(Delivery, Settlement)>,
}

/// The session's ends of what leads to the consumer.
pub(super) struct Ends {
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) batches: mpsc::Sender<Batch>,
    pub(super) settled: mpsc::Receiver<Settled>,
}

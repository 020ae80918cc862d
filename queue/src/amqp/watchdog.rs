//! A consumer that hears nothing: because nothing waits, or because it has been forgotten?

use std::sync::Arc;

use lapin::Connection;

use super::Shared;
use crate::Error;

/// Notices a consumer that is attached and forgotten. RabbitMQ 3.10 does that to one whose queue was
/// deleted and declared again at once: no cancel, no error, no delivery.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    prefetch: usize,
    unsettled: usize,
    heard: bool,
    /// Messages waited at the last look already.
    suspicious: bool,
}

impl Watchdog {
    /// Watches a consumer that may hold `prefetch` deliveries.
    pub(super) fn new(shared: Arc<Shared>, prefetch: u32) -> Self {
        Self {
            shared,
            prefetch: prefetch as usize,
            unsettled: 0,
            heard: false,
            suspicious: false,
        }
    }

    /// Something came.
    pub(super) fn hears(&mut self) {
        self.heard = true;
    }

    /// A delivery was taken.
    pub(super) fn takes(&mut self) {
        self.unsettled += 1;
    }

    /// A delivery was settled.
    pub(super) fn settles(&mut self) {
        self.unsettled = self.unsettled.saturating_sub(1);
    }

    /// An error if messages have waited for two looks while there was room and nothing came.
    pub(super) async fn look(&mut self, connection: &Connection) -> Result<(), Error> {
        let silent = !std::mem::take(&mut self.heard) && self.unsettled < self.prefetch;
        let waits = silent && self.shared.topology.depth(connection).await?.ready > 0;
        match waits && self.suspicious {
            true => Err(Error::Refused("it holds messages and delivers none")),
            false => {
                self.suspicious = waits;
                Ok(())
            }
        }
    }
}

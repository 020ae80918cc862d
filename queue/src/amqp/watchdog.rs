//! A consumer that hears nothing: because nothing waits, or because it has been forgotten?

use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::Connection;

use super::broker::Shared;
use crate::Error;

/// Notices a consumer that is attached and forgotten. RabbitMQ 3.10 does that to one whose queue was
/// deleted and declared again at once: no cancel, no error, no delivery.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    /// Something has come since the last look began.
    heard: bool,
    /// Messages waited at the last look already.
    suspicious: bool,
    /// The look under way, which tells whether messages wait: at most one.
    looking: FuturesUnordered<BoxFuture<'static, Result<bool, Error>>>,
}

impl Watchdog {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            heard: false,
            suspicious: false,
            looking: FuturesUnordered::new(),
        }
    }

    /// Something came.
    pub(super) fn hears(&mut self) {
        self.heard = true;
        self.suspicious = false;
    }

    /// Looks whether messages wait, unless something has come since the last call, or nothing could: `has_room` tells
    /// whether the broker may deliver more.
    pub(super) fn start_look(&mut self, connection: &Arc<Connection>, has_room: bool) {
        if std::mem::take(&mut self.heard) || !has_room {
            self.suspicious = false;
        } else if self.looking.is_empty() {
            let (shared, connection) = (self.shared.clone(), connection.clone());
            let look = async move { Ok(shared.topology.depth(&connection).await?.ready > 0) };
            self.looking.push(look.boxed());
        }
    }

    /// Waits for the end of a look; for ever if none is under way. May be dropped and called again.
    ///
    /// # Errors
    /// If messages have waited at two looks while there was room and nothing came, or if there was no answer.
    pub(super) async fn looked(&mut self) -> Result<(), Error> {
        let Some(waits) = self.looking.next().await else {
            return std::future::pending().await;
        };
        let waits = waits? && !self.heard;
        match waits && self.suspicious {
            true => Err(Error::Refused("it holds messages and delivers none")),
            false => {
                self.suspicious = waits;
                Ok(())
            }
        }
    }
}

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
    suspicion: Suspicion,
    /// The look under way, which tells whether messages wait: at most one.
    looking: FuturesUnordered<BoxFuture<'static, Result<bool, Error>>>,
}

impl Watchdog {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            suspicion: Suspicion::default(),
            looking: FuturesUnordered::new(),
        }
    }

    /// Something came.
    pub(super) fn on_delivery(&mut self) {
        self.suspicion.on_delivery();
    }

    /// Looks whether messages wait, unless something has come since the last call, or nothing could: `has_room` tells
    /// whether the broker may deliver more.
    pub(super) fn start_look(&mut self, connection: &Arc<Connection>, has_room: bool) {
        if self.suspicion.wants_a_look(has_room) && self.looking.is_empty() {
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
        match self.suspicion.looked(waits?) {
            true => Err(Error::Refused("it holds messages and delivers none")),
            false => Ok(()),
        }
    }
}

/// What the looks so far have shown.
#[derive(Default)]
struct Suspicion {
    /// Something has come since the last look began.
    has_heard: bool,
    /// Messages waited at the last look already.
    messages_waited: bool,
}

impl Suspicion {
    fn on_delivery(&mut self) {
        self.has_heard = true;
        self.messages_waited = false;
    }

    /// Whether it is time for a look: nothing has come since the last call, and something could have.
    fn wants_a_look(&mut self, has_room: bool) -> bool {
        if std::mem::take(&mut self.has_heard) || !has_room {
            self.messages_waited = false;
            return false;
        }
        true
    }

    /// Takes in a look, which says whether messages wait. Returns whether the consumer has been forgotten.
    fn looked(&mut self, messages_wait: bool) -> bool {
        let messages_wait = messages_wait && !self.has_heard;
        std::mem::replace(&mut self.messages_waited, messages_wait) && messages_wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_wait_at_two_looks_in_a_row_are_not_delivered() {
        let mut suspicion = Suspicion::default();
        for is_forgotten in [false, true] {
            assert!(suspicion.wants_a_look(true));
            assert_eq!(suspicion.looked(true), is_forgotten);
        }
    }

    #[test]
    fn a_delivery_clears_the_suspicion_even_during_a_look() {
        let mut suspicion = Suspicion::default();
        assert!(suspicion.wants_a_look(true));
        assert!(!suspicion.looked(true));
        assert!(suspicion.wants_a_look(true));
        suspicion.on_delivery();
        assert!(!suspicion.looked(true), "it came during the look");
        assert!(!suspicion.wants_a_look(true), "and since the last one");
        assert!(suspicion.wants_a_look(true));
        assert!(!suspicion.looked(true), "the first of two");
    }

    #[test]
    fn who_has_no_room_or_whose_queue_is_empty_has_not_been_forgotten() {
        let mut suspicion = Suspicion::default();
        assert!(suspicion.wants_a_look(true));
        assert!(!suspicion.looked(true));
        assert!(!suspicion.wants_a_look(false));
        assert!(suspicion.wants_a_look(true));
        assert!(!suspicion.looked(true));
        assert!(!suspicion.looked(false));
        assert!(!suspicion.looked(true));
    }
}

//! The work itself: by default a simulated external call that takes a fixed time.

#[cfg_attr(not(test), expect(dead_code, reason = "not wired in yet"))]
pub(crate) mod http;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Sleep;
use uuid::Uuid;

/// What is done for a transaction before it is `PROCESSED`. A closed set.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Waits as long as the external call would take.
    Simulate {
        /// How long.
        delay: Duration,
    },
}

impl Work {
    /// Starts the work on one transaction.
    pub(crate) fn start(&self, id: Uuid) -> Running {
        match self {
            Self::Simulate { delay } => Running {
                id,
                call: Box::pin(tokio::time::sleep(*delay)),
            },
        }
    }
}

/// Work under way; yields the id when it is done. Hundreds of thousands may be pending, so it is a
/// timer and an id and nothing else.
pub(crate) struct Running {
    id: Uuid,
    call: Pin<Box<Sleep>>,
}

impl Future for Running {
    type Output = Uuid;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Uuid> {
        ready!(self.call.as_mut().poll(context));
        Poll::Ready(self.id)
    }
}

//! Whether the connections that a process wants are there.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Whether a connection that this process wants is there.
#[derive(Clone, Default)]
pub(super) struct Link(Arc<AtomicU8>);

impl Link {
    const UNUSED: u8 = 0;
    const DOWN: u8 = 1;
    const UP: u8 = 2;

    /// From now on the process wants this connection.
    pub(super) fn want(&self) {
        let _ = self.0.compare_exchange(
            Self::UNUSED,
            Self::DOWN,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// From now on the process does not want it. One that is there may stay.
    pub(super) fn rest(&self) {
        let _ = self.0.compare_exchange(
            Self::DOWN,
            Self::UNUSED,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// It is there until the answer is dropped.
    pub(super) fn up(&self) -> LinkUp {
        self.0.store(Self::UP, Ordering::Relaxed);
        LinkUp(self.clone())
    }

    pub(super) fn is_down(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::DOWN
    }
}

/// A connection that is there.
pub(super) struct LinkUp(Link);

impl Drop for LinkUp {
    fn drop(&mut self) {
        self.0.0.store(Link::DOWN, Ordering::Relaxed);
    }
}

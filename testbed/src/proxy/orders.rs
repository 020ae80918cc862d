//! What a proxy is told, and what that means to one of its connections.

use tokio::sync::watch;

use super::mode::Mode;

/// What a proxy is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) mode: Mode,
    /// Connections with a lower number are lost, whatever the mode.
    pub(super) lost: u64,
}

impl Order {
    pub(super) const FIRST: Self = Self {
        mode: Mode::Pass,
        lost: 0,
    };

    /// What it means to the connection with this number.
    fn to(self, number: u64) -> Mode {
        match number < self.lost {
            true => Mode::Blackhole,
            false => self.mode,
        }
    }
}

/// The proxy is gone, and its connections with it.
#[derive(Debug)]
pub(super) struct Gone;

/// What one connection is told.
#[derive(Clone)]
pub(super) struct Orders {
    number: u64,
    all: watch::Receiver<Order>,
}

impl Orders {
    /// To the connection with this number.
    pub(super) fn to(number: u64, all: watch::Receiver<Order>) -> Self {
        Self { number, all }
    }

    /// To the one that listens, which is never lost.
    pub(super) fn to_all(all: watch::Receiver<Order>) -> Self {
        Self::to(u64::MAX, all)
    }

    /// What to do now.
    pub(super) fn mode(&self) -> Mode {
        self.all.borrow().to(self.number)
    }

    /// The same, and [`Self::changed`] tells what comes after.
    pub(super) fn mode_and_mark(&mut self) -> Mode {
        self.all.borrow_and_update().to(self.number)
    }

    /// Waits until the mode is such a one. May be dropped and called again.
    pub(super) async fn wait_for(&mut self, is: impl Fn(Mode) -> bool) -> Result<(), Gone> {
        let number = self.number;
        let waited = self.all.wait_for(|order| is(order.to(number))).await;
        waited.map(drop).map_err(|_| Gone)
    }

    /// Waits until something else is said. May be dropped and called again.
    pub(super) async fn changed(&mut self) -> Result<(), Gone> {
        self.all.changed().await.map_err(|_| Gone)
    }
}

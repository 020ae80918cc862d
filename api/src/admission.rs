//! Which webhooks are shed, so that the others are answered in time. One that would probably be answered too late is
//! refused before its body is read: that must cost little just then, or those who were admitted wait for it. What waits is judged by time, not by counts, as how much can be done in that time differs from
//! machine to machine and from moment to moment. Sources wait in lanes of their own, so one that floods waits for itself.
//!
//! [`controller`] decides, and can be stepped without a clock. Here are the clock and the lock; the
//! [`shed`](crate::shed) is where it is asked first.

mod batch_time;
mod controller;
mod minimum;
mod probe;
mod shares;
mod threads;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use self::controller::Controller;
use crate::{
    lane::{Ahead, Lane},
    slots::Slots,
};

/// Without a webhook for so long, nobody measures how late the threads are.
const QUIET: Duration = Duration::from_secs(1);

/// The [`Controller`] that load shedding, the handlers and the group commit share.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Shared>);

struct Shared {
    controller: Mutex<Controller>,
    /// The probe rests until somebody comes.
    is_resting: AtomicBool,
    wake: Notify,
}

impl Admission {
    pub(crate) fn new(slots: Slots) -> Self {
        Self(Arc::new(Shared {
            controller: Mutex::new(Controller::new(Instant::now(), slots)),
            is_resting: AtomicBool::new(false),
            wake: Notify::new(),
        }))
    }

    /// Asks or tells the controller something, with the time at which it happens.
    pub(crate) fn with<T>(&self, tell: impl FnOnce(&mut Controller, Instant) -> T) -> T {
        // A panic in there leaves figures that are a little off, and nothing else.
        let mut controller = self
            .0
            .controller
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that times come in order.
        tell(&mut controller, Instant::now())
    }

    /// Seconds after which a sender may come again.
    pub(crate) fn retry_after(&self) -> u32 {
        rand::random_range(self.with(|controller, _| controller.retry_after()))
    }

    /// Whether to admit a webhook of `lane` that has just come, while so many wait for their commit before it.
    pub(crate) fn admits(&self, lane: Lane, ahead: Ahead) -> bool {
        if self.0.is_resting.load(Ordering::Relaxed) {
            self.0.is_resting.store(false, Ordering::Relaxed);
            self.0.wake.notify_one();
        }
        self.with(|controller, now| controller.admit(now, lane, ahead))
    }

    fn is_quiet(&self) -> bool {
        self.with(|controller, now| controller.is_quiet(now, QUIET))
    }

    /// Returns when the next webhook comes.
    async fn not_quiet(&self) {
        self.0.is_resting.store(true, Ordering::Relaxed);
        self.0.wake.notified().await;
    }
}

//! The death of an armed process.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use rustix::process::{Signal, getpid, kill_process};

use crate::{Death, Point};

struct Armed {
    point: Point,
    /// Passages until death.
    left: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// From now on the process dies where `death` says. Only the first call counts.
pub fn arm(Death { point, nth }: Death) {
    let left = AtomicU32::new(nth.get());
    let _ = ARMED.set(Armed { point, left });
}

/// The process comes by, and dies here if it was told to.
pub fn here(point: Point) {
    if let Some(armed) = ARMED.get()
        && armed.point == point
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // As `kill -9`: nothing unwinds and nothing is flushed, and no thread gets any further.
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort();
    }
}

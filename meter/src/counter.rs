//! What only grows.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something has happened since the process has started.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// It has happened once more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// It has happened so many times more.
    pub fn add(&self, times: u64) {
        // Nobody concludes anything else from it.
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

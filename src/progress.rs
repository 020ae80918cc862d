//! How far a command is that may take long: said on standard error, now and then.

use std::time::{Duration, Instant};

use crate::logging;

/// From one word to the next.
const EVERY: Duration = Duration::from_secs(5);

pub struct Progress(Instant);

impl Progress {
    /// Begins now: what is done soon says nothing.
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Says how far it is, if it has said nothing for a while.
    pub fn tell(&mut self, sentence: impl FnOnce() -> String) {
        if self.0.elapsed() >= EVERY {
            self.0 = Instant::now();
            logging::say(&sentence());
        }
    }
}

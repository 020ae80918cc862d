//! How long the relay rests between things.

use std::time::Duration;

use super::hints::DUE_IN;

/// The relay's pauses. A service needs no others than the default; a test has no time for them.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between sweeps, at least.
    pub sweep_every: Duration,
    /// After everything that was there has been published. Nobody waits for these few milliseconds, and the broker carries
    /// what gathers in them at less cost.
    pub publish_every: Duration,
    /// From a confirm to its note, which must come before the id falls due, or it is published again.
    pub note_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sweep_every: Duration::from_secs(1),
            publish_every: Duration::from_millis(20),
            note_after: DUE_IN / 2,
        }
    }
}

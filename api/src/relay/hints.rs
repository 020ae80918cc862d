//! The direct way: the group commit hints at what it has just committed. What is lost on this way falls due.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use uuid::Uuid;

/// When the sweep takes up what was committed but not noted as published: long enough for the direct
/// way and the note, short enough for whoever waits after a crash.
pub(crate) const DUE_IN: Duration = Duration::from_secs(10);
/// Batches of just committed ids that may wait for the relay. Beyond, they wait in the outbox.
const WAITING_MAX: usize = 4096;
/// A hint that has waited for longer is left to the sweep, which is about to find the id.
const GOOD_FOR: Duration = Duration::from_secs(DUE_IN.as_secs() - 2);

/// Where the group commit tells which ids it has just committed.
#[derive(Clone)]
pub(crate) struct Committed(mpsc::Sender<Hint>);

pub(crate) struct Hints(pub(super) mpsc::Receiver<Hint>);

/// A batch of just committed ids.
pub(super) struct Hint {
    pub(super) ids: Vec<Uuid>,
    committed: Instant,
}

impl Hint {
    pub(super) fn is_good(&self) -> bool {
        self.committed.elapsed() <= GOOD_FOR
    }
}

/// The two ends of the direct way. The hints end when the last `Committed` is dropped.
pub(crate) fn channel() -> (Committed, Hints) {
    let (committed, hints) = mpsc::channel(WAITING_MAX);
    (Committed(committed), Hints(hints))
}

impl Committed {
    /// Tells the relay, if it has room; the outbox has told it already.
    pub(crate) fn tell(&self, ids: Vec<Uuid>) {
        if !ids.is_empty() {
            let _ = self.0.try_send(Hint {
                ids,
                committed: Instant::now(),
            });
        }
    }
}

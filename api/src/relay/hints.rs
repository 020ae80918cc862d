//! The direct way: the group commit hints at what it has just committed. What is lost on this way falls due.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

/// When the sweep takes up what was committed but not noted as published: long enough for the direct
/// way and the note, short enough for whoever waits after a crash.
pub(crate) const DUE_IN: Duration = Duration::from_secs(10);
/// Batches of just committed ids that may wait for the relay. Beyond, they wait in the outbox.
const WAITING_MAX: usize = 4096;
/// A hint that has waited for longer is left to the sweep, which is about to find the id.
const GOOD_FOR: Duration = Duration::from_secs(DUE_IN.as_secs() - 2);

/// The group commit's end of the direct way.
#[derive(Clone)]
pub struct HintSender(mpsc::Sender<Hint>, Nudge);

/// The relay's end of it.
pub struct HintReceiver(pub(crate) mpsc::Receiver<Hint>, pub(super) Nudge);

/// Tells the relay that retries are due just now, which it would find within a second, all of that second at once.
#[derive(Clone, Default)]
pub(crate) struct Nudge(Arc<Notify>);

impl Nudge {
    pub(crate) fn give(&self) {
        self.0.notify_one();
    }

    /// Waits for it; one is enough for any number that were given meanwhile.
    pub(super) async fn given(&self) {
        self.0.notified().await;
    }
}

/// A batch of just committed ids.
pub(crate) struct Hint {
    pub(crate) ids: Vec<Uuid>,
    pub(super) committed: Instant,
}

impl Hint {
    pub(super) fn is_good(&self) -> bool {
        self.committed.elapsed() <= GOOD_FOR
    }
}

/// The two ends of the direct way. The hints end when the last sender is dropped.
pub fn channel() -> (HintSender, HintReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let nudge = Nudge::default();
    (
        HintSender(sender, nudge.clone()),
        HintReceiver(receiver, nudge),
    )
}

impl HintSender {
    /// The way to tell of retries. It does not keep the hints from ending.
    pub(crate) fn nudge(&self) -> Nudge {
        self.1.clone()
    }

    /// Sends a hint if the relay has room for it. What has no hint is in the outbox all the same.
    pub(crate) fn send(&self, ids: Vec<Uuid>) {
        if !ids.is_empty() {
            let _ = self.0.try_send(Hint {
                ids,
                committed: Instant::now(),
            });
        }
    }
}

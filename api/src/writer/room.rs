//! Where webhooks wait for their commit: those of each source in a lane of its own. A batch takes from each lane in turn, so
//! a source that floods waits behind itself, and fills no more than its share.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use entity::lifecycle::{Receipt, Received};
use tokio::sync::{Notify, oneshot};

use super::{group::Group, not_committed::NotCommitted};
use crate::{
    arrival::Arrival,
    lane::{Ahead, Lane},
    metrics::SourceMetrics,
    slots::BATCH_MAX,
};

/// Webhooks that may wait for their batch, and their bytes. This bounds memory alone; how many can be committed in time is
/// what [`Admission`](crate::admission::Admission) estimates.
const ALL_MAX: Load = Load {
    webhooks: 16 * 1024,
    bytes: 64 * 1024 * 1024,
};
/// The same of one source.
const LANE_MAX: Load = Load {
    webhooks: ALL_MAX.webhooks / 2,
    bytes: ALL_MAX.bytes / 2,
};
/// What one statement commits, unless a single request brings more.
const BATCH: Load = Load {
    webhooks: BATCH_MAX,
    bytes: 8 * 1024 * 1024,
};

/// What one request brought.
pub(super) struct Waiting {
    pub(super) lane: Lane,
    pub(super) received: Group<Received>,
    /// Where what becomes of it is counted.
    pub(super) source: Arc<SourceMetrics>,
    /// What is traced of its request, if anything is.
    pub(super) arrival: Option<Box<Arrival>>,
    /// When it got here.
    pub(super) since: Instant,
    /// When its answer is owed.
    pub(super) due: Instant,
    pub(super) answer: oneshot::Sender<Result<Group<Receipt>, NotCommitted>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    webhooks: usize,
    bytes: usize,
}

impl Load {
    fn of(waiting: &Waiting) -> Self {
        Self {
            webhooks: waiting.received.len(),
            bytes: waiting.received.bytes(),
        }
    }

    fn add(&mut self, other: Self) {
        self.webhooks += other.webhooks;
        self.bytes += other.bytes;
    }

    fn subtract(&mut self, other: Self) {
        self.webhooks -= other.webhooks;
        self.bytes -= other.bytes;
    }

    /// Whether `other` may come to it. What is empty takes anything.
    fn has_room(self, other: Self, most: Self) -> bool {
        self.webhooks == 0
            || (self.webhooks + other.webhooks <= most.webhooks
                && self.bytes + other.bytes <= most.bytes)
    }
}

#[derive(Default)]
pub(super) struct Room {
    state: Mutex<State>,
    /// Webhooks that wait, for whoever only asks whether there are any.
    webhooks: AtomicUsize,
    changed: Notify,
}

/// How much waits, for whoever only counts.
pub(crate) struct Queued(Arc<Room>);

impl Queued {
    pub(super) fn of(room: &Arc<Room>) -> Self {
        Self(room.clone())
    }

    pub(crate) fn webhooks(&self) -> usize {
        self.0.webhooks.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct State {
    /// Of each source that has ever sent anything.
    lanes: BTreeMap<Lane, Queue>,
    /// Those in which something waits, in the order of their turns.
    turns: VecDeque<Lane>,
    load: Load,
    is_closed: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Waiting, Load)>,
    load: Load,
}

impl Room {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets it in if there is room.
    pub(super) fn enter(&self, waiting: Waiting) -> Result<(), NotCommitted> {
        let load = Load::of(&waiting);
        let mut state = self.state();
        let State {
            lanes,
            turns,
            load: all,
            ..
        } = &mut *state;
        let queue = lanes.entry(waiting.lane).or_default();
        if !all.has_room(load, ALL_MAX) || !queue.load.has_room(load, LANE_MAX) {
            return Err(NotCommitted::TooMuch);
        }
        if queue.waiting.is_empty() {
            turns.push_back(waiting.lane);
        }
        all.add(load);
        queue.load.add(load);
        queue.waiting.push_back((waiting, load));
        self.webhooks.store(all.webhooks, Ordering::Relaxed);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits until there is something, and moves the next batch into `batch`, which is empty. Nothing is in it if nobody
    /// will come any more.
    pub(super) async fn take(&self, batch: &mut Vec<Waiting>) {
        loop {
            let is_closed = {
                let mut state = self.state();
                state.take(batch);
                self.webhooks.store(state.load.webhooks, Ordering::Relaxed);
                state.is_closed
            };
            if !batch.is_empty() || is_closed {
                return;
            }
            // Whoever comes between leaves a permit.
            self.changed.notified().await;
        }
    }

    /// Nobody will come any more.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// How many webhooks wait before the next one of `lane`.
    pub(super) fn ahead(&self, lane: Lane) -> Ahead {
        if self.webhooks.load(Ordering::Relaxed) == 0 {
            return Ahead::default();
        }
        let state = self.state();
        let own = state.lanes.get(&lane);
        let own = own.map_or(0, |queue| queue.load.webhooks);
        let lanes = state.turns.iter().filter_map(|lane| state.lanes.get(lane));
        Ahead {
            all: lanes.map(|queue| queue.load.webhooks.min(own)).sum(),
            own,
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state().load.webhooks
    }
}

impl State {
    /// One request of each lane in turn, until the batch is full. Where the next one does not fit, the lane is the first to
    /// have its turn in the next batch, and the others go on.
    fn take(&mut self, batch: &mut Vec<Waiting>) {
        let mut taken = Load::default();
        let mut passed = VecDeque::new();
        while taken.webhooks < BATCH.webhooks
            && let Some(lane) = self.turns.pop_front()
        {
            let Some(queue) = self.lanes.get_mut(&lane) else {
                continue;
            };
            let next = queue.waiting.front();
            if next.is_some_and(|(_, load)| !taken.has_room(*load, BATCH)) {
                passed.push_back(lane);
                continue;
            }
            if let Some((waiting, load)) = queue.waiting.pop_front() {
                taken.add(load);
                queue.load.subtract(load);
                self.load.subtract(load);
                batch.push(waiting);
            }
            if !queue.waiting.is_empty() {
                self.turns.push_back(lane);
            }
        }
        passed.append(&mut self.turns);
        self.turns = passed;
    }
}

#[cfg(test)]
mod tests;

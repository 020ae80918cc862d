//! The embedded twin of the broker: a queue inside the process, in memory. It forgets everything
//! when the process ends; the outbox does not.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::{BATCH_MAX, DELIVERY_LIMIT, Delivery, DeliveryTag, Depth, Error, Settlement};

/// Ids that may wait at once (16 MB of them). Beyond, the relay is told that the queue is full and
/// the ids wait in the outbox.
const READY_MAX: usize = 1_000_000;

/// Dead letters that are kept for a look; the oldest go first.
const DEAD_MAX: usize = 10_000;

/// A queue inside the process. Clones share it.
#[derive(Clone, Default)]
pub struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Message>,
    dead: VecDeque<Uuid>,
}

#[derive(Clone, Copy)]
struct Message {
    id: Uuid,
    /// How often it has been delivered and not acked.
    returned: u32,
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher {
            queue: self.clone(),
            confirmed: Vec::new(),
        }
    }

    pub(crate) fn deliveries(&self, prefetch: u32) -> Deliveries {
        Deliveries {
            queue: self.clone(),
            prefetch: prefetch.max(1) as usize,
            last_tag: 0,
            unsettled: HashMap::new(),
        }
    }

    pub(crate) fn depth(&self) -> Depth {
        let state = self.state();
        Depth {
            ready: state.ready.len(),
            dead: state.dead.len(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned state is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts a message that was not acked back in front, or among the dead letters.
    fn give_back(&mut self, message: Message) {
        let returned = message.returned + 1;
        if returned > DELIVERY_LIMIT {
            self.bury(message);
        } else {
            self.ready.push_front(Message {
                returned,
                ..message
            });
        }
    }

    fn bury(&mut self, message: Message) {
        if self.dead.len() == DEAD_MAX {
            self.dead.pop_front();
        }
        self.dead.push_back(message.id);
    }
}

/// Publishes into the process. Being in memory is all the confirm there is.
pub struct Publisher {
    queue: Queue,
    confirmed: Vec<Uuid>,
}

impl Publisher {
    pub(crate) fn publish(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        {
            let mut state = self.queue.state();
            if state.ready.len() + ids.len() > READY_MAX {
                return Err(Error::Full);
            }
            state
                .ready
                .extend(ids.iter().map(|&id| Message { id, returned: 0 }));
        }
        self.queue.0.arrived.notify_one();
        self.confirmed.extend(ids);
        Ok(())
    }

    pub(crate) async fn confirmed(&mut self) -> Result<Vec<Uuid>, Error> {
        if self.confirmed.is_empty() {
            std::future::pending::<()>().await;
        }
        Ok(std::mem::take(&mut self.confirmed))
    }

    pub(crate) fn depth(&self) -> Depth {
        self.queue.depth()
    }

    pub(crate) fn unconfirmed(&self) -> usize {
        self.confirmed.len()
    }
}

/// A consumer inside the process. Dropping it hands back what is unsettled.
pub struct Deliveries {
    queue: Queue,
    prefetch: usize,
    last_tag: u64,
    unsettled: HashMap<u64, Message>,
}

impl Deliveries {
    pub(crate) async fn next(&mut self) -> Vec<Delivery> {
        let queue = self.queue.clone();
        if self.unsettled.len() >= self.prefetch {
            // Only `settle` makes room, and it needs this future gone. A wake-up that came here would
            // be missed by a consumer that has room.
            return std::future::pending().await;
        }
        loop {
            let arrived = queue.0.arrived.notified();
            let batch = self.take();
            if !batch.is_empty() {
                return batch;
            }
            arrived.await;
        }
    }

    fn take(&mut self) -> Vec<Delivery> {
        let room = self.prefetch.saturating_sub(self.unsettled.len());
        let mut state = self.queue.state();
        let count = room.min(BATCH_MAX).min(state.ready.len());
        let messages: Vec<Message> = state.ready.drain(..count).collect();
        if count > 0 && !state.ready.is_empty() {
            // Another consumer may have room.
            self.queue.0.arrived.notify_one();
        }
        drop(state);
        messages.into_iter().map(|m| self.hand_over(m)).collect()
    }

    fn hand_over(&mut self, message: Message) -> Delivery {
        self.last_tag += 1;
        self.unsettled.insert(self.last_tag, message);
        Delivery {
            id: message.id,
            redelivered: message.returned > 0,
            receipt: DeliveryTag {
                session: 0,
                channel: 0,
                tag: self.last_tag,
            },
        }
    }

    pub(crate) fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) {
        let mut state = self.queue.state();
        for (delivery, settlement) in settled {
            let Some(message) = self.unsettled.remove(&delivery.receipt.tag) else {
                continue;
            };
            match settlement {
                Settlement::Ack => {}
                Settlement::Requeue => state.give_back(message),
                Settlement::DeadLetter => state.bury(message),
            }
        }
        drop(state);
        // There is room in the prefetch again.
        self.queue.0.arrived.notify_one();
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        let mut messages: Vec<_> = self.unsettled.drain().collect();
        // Given back from the last to the first, they stand in front in their old order.
        messages.sort_by_key(|(tag, _)| std::cmp::Reverse(*tag));
        for (_, message) in messages {
            state.give_back(message);
        }
        drop(state);
        self.queue.0.arrived.notify_one();
    }
}

//! The embedded twin of the broker: a queue inside the process, in memory. It forgets everything
//! when the process ends; the outbox does not.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    Confirmed, Delivery, Depth, Error, Event, Reason, Returned, Settlement,
    message::{BATCH_MAX, DELIVERY_LIMIT, DeliveryTag, RETURNED_MAX},
};

/// Ids that may wait at once (16 MB of them). Beyond, the relay is told that the queue is full and
/// the ids wait in the outbox.
const READY_MAX: usize = 1_000_000;

/// Dead letters that are kept for a look, and ids that wait to be returned; the oldest go first. Of those
/// that are not returned, the outbox publishes the ids again.
const DEAD_MAX: usize = 10_000;

/// A queue inside the process. Clones share it.
#[derive(Clone, Default)]
pub struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    gave_up: Notify,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Message>,
    dead: VecDeque<Uuid>,
    /// Delivered too often, and not in a publisher's hands.
    given_up: VecDeque<Uuid>,
    has_had_a_publisher: bool,
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
        let had_one = std::mem::replace(&mut self.state().has_had_a_publisher, true);
        Publisher {
            queue: self.clone(),
            confirmed: Vec::new(),
            queue_is_new: !had_one,
            returned: HashMap::new(),
            last_receipt: 0,
        }
    }

    pub(crate) fn deliveries(&self, prefetch: u32) -> Deliveries {
        Deliveries {
            queue: self.clone(),
            prefetch: prefetch as usize,
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

    /// Hands messages back that were not acked.
    fn give_back(&self, messages: impl IntoIterator<Item = Message>) {
        let mut state = self.state();
        for message in messages {
            state.give_back(message);
        }
        drop(state);
        self.0.arrived.notify_one();
        self.0.gave_up.notify_one();
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
            push_within(DEAD_MAX, &mut self.given_up, message.id);
        } else {
            self.ready.push_front(Message {
                returned,
                ..message
            });
        }
    }

    fn bury(&mut self, message: Message) {
        push_within(DEAD_MAX, &mut self.dead, message.id);
    }
}

/// Appends to a list that may hold `max`; its first goes if there is no room.
fn push_within(max: usize, list: &mut VecDeque<Uuid>, id: Uuid) {
    if list.len() >= max {
        list.pop_front();
    }
    list.push_back(id);
}

/// Publishes into the process. Being in memory is all the confirm there is. Dropping it lets what was
/// returned and is not settled be returned to the next one.
pub struct Publisher {
    queue: Queue,
    confirmed: Vec<Uuid>,
    queue_is_new: bool,
    /// In the relay's hands, by receipt.
    returned: HashMap<u64, Uuid>,
    last_receipt: u64,
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

    pub(crate) async fn confirmed(&mut self) -> Confirmed {
        if self.confirmed.is_empty() {
            return std::future::pending().await;
        }
        Confirmed {
            acked: std::mem::take(&mut self.confirmed),
            refused: Vec::new(),
        }
    }

    pub(crate) async fn returned(&mut self) -> Vec<Returned> {
        let queue = self.queue.clone();
        if self.returned.len() >= RETURNED_MAX {
            // Only `settle_returned` makes room, and it needs this future gone.
            return std::future::pending().await;
        }
        loop {
            let gave_up = queue.0.gave_up.notified();
            let returned = self.take_returned();
            if !returned.is_empty() {
                return returned;
            }
            gave_up.await;
        }
    }

    fn take_returned(&mut self) -> Vec<Returned> {
        let room = RETURNED_MAX - self.returned.len();
        let mut state = self.queue.state();
        let count = room.min(state.given_up.len());
        let ids: Vec<Uuid> = state.given_up.drain(..count).collect();
        drop(state);
        ids.into_iter().map(|id| self.hand_over(id)).collect()
    }

    fn hand_over(&mut self, id: Uuid) -> Returned {
        self.last_receipt += 1;
        self.returned.insert(self.last_receipt, id);
        Returned {
            id,
            reason: Reason::DeliveryLimit,
            receipt: self.last_receipt,
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        match self.confirmed.is_empty() {
            // Whatever will be confirmed has been: a confirm comes with the publishing.
            true => Event::Returned(self.returned().await),
            false => Event::Confirmed(self.confirmed().await),
        }
    }

    pub(crate) fn settle_returned(&mut self, settled: &[Returned]) {
        for returned in settled {
            self.returned.remove(&returned.receipt);
        }
    }

    pub(crate) fn queue_is_new(&self) -> bool {
        self.queue_is_new
    }

    pub(crate) fn depth(&self) -> Depth {
        self.queue.depth()
    }

    pub(crate) fn unconfirmed_ids(&self) -> Vec<Uuid> {
        self.confirmed.clone()
    }

    pub(crate) fn unconfirmed(&self) -> usize {
        self.confirmed.len()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        for (_, id) in self.returned.drain() {
            push_within(DEAD_MAX, &mut state.given_up, id);
        }
        drop(state);
        self.queue.0.gave_up.notify_one();
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
    pub(crate) fn subscribe(&mut self, prefetch: u32) {
        self.prefetch = prefetch as usize;
        if prefetch == 0 {
            self.hand_back();
        }
    }

    /// Hands back everything that is unsettled.
    fn hand_back(&mut self) {
        let mut messages: Vec<_> = self.unsettled.drain().collect();
        // Given back from the last to the first, they stand in front in their old order.
        messages.sort_by_key(|(tag, _)| std::cmp::Reverse(*tag));
        self.queue
            .give_back(messages.into_iter().map(|(_, message)| message));
    }

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
        self.queue.0.gave_up.notify_one();
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.hand_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_new_to_its_first_publisher_alone() {
        let queue = Queue::new();
        assert!(queue.publisher().queue_is_new());
        assert!(!queue.publisher().queue_is_new());
    }

    #[test]
    fn a_list_of_dead_letters_is_bounded_and_keeps_the_latest() {
        let ids: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
        let mut list = VecDeque::new();
        ids.iter().for_each(|id| push_within(3, &mut list, *id));
        assert_eq!(list, &ids[2..]);
    }
}

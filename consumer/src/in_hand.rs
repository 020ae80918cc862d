//! Which ids this process has between delivery and settlement. A redelivery of one of them does not
//! start a second run: it waits for the outcome of the first.

use std::collections::{HashMap, hash_map::Entry};

use queue::{Delivery, Settlement};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct InHand(HashMap<Uuid, Held>);

/// Nearly always one delivery; a list only where redeliveries have joined it.
struct Held {
    first: Delivery,
    joined: Vec<Delivery>,
}

impl Held {
    fn settled(self, settlement: Settlement) -> impl Iterator<Item = (Delivery, Settlement)> {
        let deliveries = std::iter::once(self.first).chain(self.joined);
        deliveries.map(move |delivery| (delivery, settlement))
    }
}

impl InHand {
    /// Takes a delivery in hand. Returns its id if that was not in hand yet.
    pub(crate) fn take(&mut self, delivery: Delivery) -> Option<Uuid> {
        let id = delivery.id;
        match self.0.entry(id) {
            Entry::Occupied(mut held) => {
                held.get_mut().joined.push(delivery);
                None
            }
            Entry::Vacant(free) => {
                free.insert(Held {
                    first: delivery,
                    joined: Vec::new(),
                });
                Some(id)
            }
        }
    }

    /// Lets go of an id: all its deliveries get the same settlement.
    pub(crate) fn release(
        &mut self,
        id: Uuid,
        settlement: Settlement,
    ) -> impl Iterator<Item = (Delivery, Settlement)> + use<> {
        self.0
            .remove(&id)
            .into_iter()
            .flat_map(move |held| held.settled(settlement))
    }

    /// Lets go of everything.
    pub(crate) fn release_all(&mut self, settlement: Settlement) -> Vec<(Delivery, Settlement)> {
        std::mem::take(&mut self.0)
            .into_values()
            .flat_map(|held| held.settled(settlement))
            .collect()
    }

    /// Lets go of ids whose outcome has been committed.
    pub(crate) fn acks(&mut self, ids: Vec<Uuid>) -> Vec<(Delivery, Settlement)> {
        ids.into_iter()
            .flat_map(|id| self.release(id, Settlement::Ack))
            .collect()
    }

    /// How many ids are in hand.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

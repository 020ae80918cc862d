//! Which ids this process has between delivery and settlement. A redelivery of one of them does not
//! start a second run: it waits for the outcome of the first.

use std::collections::{HashMap, hash_map::Entry};

use queue::{Delivery, Settlement};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct InFlight(HashMap<Uuid, Held>);

/// Nearly always one delivery; a list only where redeliveries have joined it.
struct Held {
    first: Delivery,
    joined: Vec<Delivery>,
}

impl Held {
    fn settled(
        self,
        first: Settlement,
        joined: Settlement,
    ) -> impl Iterator<Item = (Delivery, Settlement)> {
        let joined = self.joined.into_iter().map(move |d| (d, joined));
        std::iter::once((self.first, first)).chain(joined)
    }
}

impl InFlight {
    /// Adds a delivery. Returns its id if that was not in flight yet.
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

    /// Lets go of an id: settles its first delivery, and those that have joined.
    pub(crate) fn release(
        &mut self,
        id: Uuid,
        first: Settlement,
        joined: Settlement,
    ) -> impl Iterator<Item = (Delivery, Settlement)> + use<> {
        let held = self.0.remove(&id).into_iter();
        held.flat_map(move |held| held.settled(first, joined))
    }

    /// Lets go of everything.
    pub(crate) fn release_all(&mut self, settlement: Settlement) -> Vec<(Delivery, Settlement)> {
        std::mem::take(&mut self.0)
            .into_values()
            .flat_map(|held| held.settled(settlement, settlement))
            .collect()
    }

    /// How many ids are in flight.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

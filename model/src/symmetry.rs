//! States that differ in names alone count as one: which consumer is called first, which API, which id, changes
//! nothing.
//!
//! The checker knows the states it has seen by their hash. So a state's hash is that of one chosen from all that are
//! the same but for names, and the paths that the checker prints are made of the states themselves.

use std::{
    cmp::min,
    hash::{Hash, Hasher},
};

use crate::state::{Due, State};

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let State {
            webhooks,
            apis,
            consumers,
            faults_left,
            queue_lost,
            broken,
        } = representative(self);
        (webhooks, apis, consumers, faults_left, queue_lost, broken).hash(hasher);
    }
}

fn representative(state: &State) -> State {
    let mut renamed = state.clone();
    swap_ids(&mut renamed);
    min(
        with_sorted_processes(state),
        with_sorted_processes(&renamed),
    )
}

fn swap_ids(state: &mut State) {
    state.webhooks.swap(0, 1);
    for api in &mut state.apis {
        api.requests.swap(0, 1);
        api.relay.swap(0, 1);
    }
    for consumer in &mut state.consumers {
        consumer.hands.swap(0, 1);
    }
}

/// Sorts processes by what they know and by what the tables say of them, and renames them there.
fn with_sorted_processes(state: &State) -> State {
    let mut sorted = state.clone();
    let entries = || state.webhooks.iter().map(|webhook| webhook.entry);

    let consumers = order(|consumer| {
        let holds: [bool; 2] = marks(entries().map(|e| e.and_then(|e| e.holder) == Some(consumer)));
        (&state.consumers[consumer], holds)
    });
    let apis = order(|api| {
        let claims: [bool; 2] =
            marks(entries().map(|e| e.map(|e| e.due) == Some(Due::Claimed(api))));
        (&state.apis[api], claims)
    });

    sorted.consumers = consumers.map(|old| state.consumers[old].clone());
    sorted.apis = apis.map(|old| state.apis[old].clone());
    for entry in sorted.webhooks.iter_mut().flat_map(|w| &mut w.entry) {
        entry.holder = entry.holder.map(|old| new_name(&consumers, old));
        if let Due::Claimed(old) = entry.due {
            entry.due = Due::Claimed(new_name(&apis, old));
        }
    }
    sorted
}

/// The old names in their new order.
fn order<const N: usize, Key: Ord>(key: impl Fn(usize) -> Key) -> [usize; N] {
    let mut names = std::array::from_fn(|name| name);
    names.sort_by_key(|&name| key(name));
    names
}

fn new_name(order: &[usize], old: usize) -> usize {
    order.iter().position(|&name| name == old).unwrap_or(old)
}

fn marks<const N: usize>(mut each: impl Iterator<Item = bool>) -> [bool; N] {
    std::array::from_fn(|_| each.next() == Some(true))
}

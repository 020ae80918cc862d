//! States that differ in names alone count as one: which consumer is called first, which API, which id, changes
//! nothing.
//!
//! The checker knows the states it has seen by their hash. So a state's hash is that of one chosen from all that are
//! the same but for names, and the paths that the checker prints are made of the states themselves.

use std::{
    cmp::min,
    hash::{Hash, Hasher},
};

use crate::state::{CONSUMERS, Due, State, bit};

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let State {
            webhooks,
            apis,
            consumers,
            queue,
            queue_lost,
            purged,
            faults_left,
            acts_left,
            pause,
            broken,
        } = representative(self);
        (webhooks, apis, consumers).hash(hasher);
        (
            queue,
            queue_lost,
            purged,
            faults_left,
            acts_left,
            pause,
            broken,
        )
            .hash(hasher);
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
        api.is_retry.swap(0, 1);
        api.passed.swap(0, 1);
        api.recovery.swap(0, 1);
    }
    for consumer in &mut state.consumers {
        consumer.hands.swap(0, 1);
    }
}

/// Sorts processes by what they know and by what the tables say of them, and renames them there.
fn with_sorted_processes(state: &State) -> State {
    let mut sorted = state.clone();
    let webhooks = || state.webhooks.iter();
    let living = || {
        state
            .consumers
            .iter()
            .flat_map(|it| &it.hands)
            .map(|it| it.living)
    };

    let consumers = order(|consumer| {
        let holds: [bool; 2] = marks(webhooks().map(|w| w.holder() == Some(consumer)));
        let deaths: [bool; 2] = marks(webhooks().map(|w| w.deaths & bit(consumer) != 0));
        let seen = living()
            .filter(|living| living & bit(consumer) != 0)
            .count();
        (&state.consumers[consumer], holds, deaths, seen)
    });
    let apis = order(|api| {
        let claimed = Some(Due::Claimed(api));
        let entries: [bool; 2] = marks(webhooks().map(|w| w.outbox.map(|e| e.due) == claimed));
        let retries: [bool; 2] = marks(webhooks().map(|w| w.retry == claimed));
        (&state.apis[api], entries, retries)
    });

    sorted.consumers = consumers.map(|old| state.consumers[old].clone());
    sorted.apis = apis.map(|old| state.apis[old].clone());
    for webhook in &mut sorted.webhooks {
        if let Some(entry) = &mut webhook.outbox {
            entry.holder = entry.holder.map(|old| new_name(&consumers, old));
        }
        let entry = webhook.outbox.as_mut().map(|entry| &mut entry.due);
        for due in entry.into_iter().chain(&mut webhook.retry) {
            if let Due::Claimed(old) = *due {
                *due = Due::Claimed(new_name(&apis, old));
            }
        }
        webhook.deaths = new_bits(&consumers, webhook.deaths);
    }
    for hand in sorted.consumers.iter_mut().flat_map(|it| &mut it.hands) {
        hand.living = new_bits(&consumers, hand.living);
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

/// A bit for each consumer, under its new name.
fn new_bits(order: &[usize; CONSUMERS], old: u8) -> u8 {
    if old == 0 {
        return 0;
    }
    let names = order.iter().enumerate();
    names
        .filter(|(_, name)| old & bit(**name) != 0)
        .map(|(new, _)| bit(new))
        .sum()
}

fn marks<const N: usize>(mut each: impl Iterator<Item = bool>) -> [bool; N] {
    std::array::from_fn(|_| each.next() == Some(true))
}

//! Leases: how the database learns that a consumer is dead, and frees what it held.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Lease, Life, Run, State},
};

/// What the clock and the reclaim can do next.
///
/// The lease of a consumer that runs does not expire here. It renews it, and if it cannot, it stops first: it counts
/// from before it asked for the renewal, the database from when it granted it.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (consumer, it) in state.consumers.iter().enumerate() {
        if it.life == Life::Gone && it.lease == Lease::Alive {
            actions.push(Action::Expire { consumer });
        }
    }
    let expired = state.consumers.iter().any(|c| c.lease == Lease::Expired);
    if expired && !protocol.has(Flaw::NoReclaim) {
        actions.push(Action::Reclaim);
    }
}

pub(crate) fn expire(state: &mut State, consumer: usize) {
    state.consumers[consumer].lease = Lease::Expired;
}

/// One statement, by whichever consumer: deletes the leases that have ended, and frees what they held.
pub(crate) fn reclaim(state: &mut State) {
    for consumer in 0..state.consumers.len() {
        if state.consumers[consumer].lease == Lease::Expired {
            free(state, consumer, true);
            delete(state, consumer);
        }
    }
}

/// Makes due at once what a consumer held.
pub(crate) fn free(state: &mut State, consumer: usize, crashed: bool) {
    for entry in state.webhooks.iter_mut().flat_map(|w| &mut w.entry) {
        if entry.holder == Some(consumer) {
            entry.holder = None;
            entry.due = Due::Now;
            entry.crashed |= crashed;
        }
    }
}

/// Deletes a lease. Where death has met its consumer matters to nobody any more; its statements are still under way.
pub(crate) fn delete(state: &mut State, consumer: usize) {
    let consumer = &mut state.consumers[consumer];
    consumer.lease = Lease::None;
    if consumer.life == Life::Gone {
        for hand in &mut consumer.hands {
            if let Run::Working | Run::Settling = hand.run {
                hand.run = Run::Idle;
            }
        }
    }
}

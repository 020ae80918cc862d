//! Leases: how the database learns that a consumer is dead or has ended, and what it held comes back.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Lease, Life, State, bit},
};

/// What the other consumers, and one that has lost its lease, can do next.
///
/// A consumer that runs is not buried here. It renews its lease, and the statement that buries it says which renewal it
/// has seen; if it cannot renew it stops first: it counts from before it asked, whoever buries it from after.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (consumer, it) in state.consumers.iter().enumerate() {
        if it.life == Life::Fenced && it.lease == Lease::Alive {
            actions.push(Action::EndLease { consumer });
        }
        if matches!(it.life, Life::Gone | Life::Fenced) && it.lease == Lease::Alive {
            actions.push(Action::Bury { consumer });
        }
    }
    for id in protocol.ids() {
        let webhook = &state.webhooks[id];
        let is_dead = matches!(
            webhook.holder().map(|it| state.consumers[it].lease),
            Some(Lease::Dead | Lease::Ended)
        );
        match protocol.flaw {
            Some(Flaw::NoReclaim) => {}
            Some(Flaw::ReclaimWithoutASecondLook) => {
                if is_dead && !webhook.found_dead {
                    actions.push(Action::FindDead { id });
                }
                if webhook.found_dead {
                    actions.push(Action::Reclaim { id });
                }
            }
            _ if is_dead => actions.push(Action::Reclaim { id }),
            _ => {}
        }
    }
}

pub(crate) fn bury(protocol: &Protocol, state: &mut State, consumer: usize) {
    let holds = state.webhooks.iter().any(|w| w.holder() == Some(consumer));
    state.consumers[consumer].lease = match protocol.has(Flaw::ForgetAtOnce) && !holds {
        true => Lease::None,
        false => Lease::Dead,
    };
}

/// The consumer itself says that it works no more.
pub(crate) fn end(protocol: &Protocol, state: &mut State, consumer: usize) {
    let it = &mut state.consumers[consumer];
    if it.lease == Lease::Alive {
        it.lease = match protocol.has(Flaw::EndForgets) {
            true => Lease::None,
            false => Lease::Ended,
        };
    }
    it.life = Life::Gone;
}

/// One statement, by whichever consumer: what a dead one holds moves to the retries, due at once, with one death more
/// behind it; what one holds that has ended, without.
pub(crate) fn reclaim(protocol: &Protocol, state: &mut State, id: usize) {
    let webhook = &mut state.webhooks[id];
    webhook.found_dead = false;
    let Some(holder) = webhook.holder() else {
        return;
    };
    match protocol.flaw {
        Some(Flaw::ReclaimMovesNothing) => {
            if let Some(entry) = &mut webhook.outbox {
                entry.holder = None;
                entry.due = Due::Now;
            }
        }
        Some(Flaw::ReclaimCopies) => webhook.retry = Some(Due::Now),
        _ => {
            webhook.outbox = None;
            webhook.retry = Some(Due::Now);
        }
    }
    if state.consumers[holder].lease != Lease::Ended {
        count_death(state, id, holder);
    }
    if protocol.has(Flaw::ForgetAtOnce) {
        state.consumers[holder].lease = Lease::None;
    }
}

/// A consumer has died with an id in flight, and whoever sees it first counts it.
pub(crate) fn count_death(state: &mut State, id: usize, consumer: usize) {
    let webhook = &mut state.webhooks[id];
    let is_dead = state.consumers[consumer].lease == Lease::Dead;
    state.broken.deaths |= webhook.deaths & bit(consumer) != 0 || !is_dead;
    webhook.deaths |= bit(consumer);
}

//! What an operator does: reopens what has failed, repeats a call, gives up, pauses. Each is one statement, and nobody
//! remembers anything about it.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Entry, Pause, Row, State},
};

/// What an operator can do next, as often as [`Bounds`](crate::Bounds) allows. Acts that would change nothing are left out.
pub(crate) fn acts(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if state.acts_left == 0 {
        return;
    }
    for id in protocol.ids() {
        let webhook = &state.webhooks[id];
        let is_there = webhook.row != Row::None && protocol.has(Flaw::ReopenAnything);
        if webhook.row == Row::Failed || is_there {
            actions.push(Action::Reopen { id });
        }
        if webhook.row == Row::Final && may_replay(protocol, state, id) {
            actions.push(Action::Replay { id });
        }
        if may_give_up(protocol, state, id) {
            actions.push(Action::EndByOperator { id });
        }
    }
    if state.pause == Pause::Never {
        actions.push(Action::Pause);
    }
}

/// What follows by itself: a pause ends at last, and what is parked is made due.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if state.pause == Pause::InForce {
        actions.push(Action::Resume);
    }
    for id in protocol.ids() {
        let is_parked = state.webhooks[id].retry == Some(Due::Parked);
        if is_parked && state.pause != Pause::InForce && !protocol.has(Flaw::NoUnpark) {
            actions.push(Action::Unpark { id });
        }
    }
}

/// Only what nobody has in its hands, in none of the tables; nobody but a flawed one asks twice.
fn may_replay(protocol: &Protocol, state: &State, id: usize) -> bool {
    !state.webhooks[id].has_entry() || protocol.has(Flaw::ReplayTwice)
}

fn may_give_up(protocol: &Protocol, state: &State, id: usize) -> bool {
    state.webhooks[id].has_entry() && (state.is_free(id) || protocol.has(Flaw::GiveUpInHand))
}

pub(crate) fn act(protocol: &Protocol, state: &mut State, act: Action) {
    state.acts_left -= 1;
    match act {
        Action::Reopen { id } => reopen(protocol, state, id),
        Action::Replay { id } => replay(protocol, state, id),
        Action::EndByOperator { id } => give_up(state, id),
        Action::Pause => state.pause = Pause::InForce,
        _ => {}
    }
}

/// One statement: who deletes the failure's row has reopened it.
fn reopen(protocol: &Protocol, state: &mut State, id: usize) {
    let webhook = &mut state.webhooks[id];
    webhook.reopened += u8::from(webhook.row == Row::Failed);
    webhook.row = Row::Processing;
    webhook.failure &= protocol.has(Flaw::ReopenKeepsFailure);
    webhook.number_is_taken = protocol.has(Flaw::NumbersBeginAnew);
    webhook.deaths = 0;
    match protocol.has(Flaw::ReopenIntoOutbox) {
        true => {
            webhook.outbox = Some(Entry {
                due: Due::Later,
                holder: None,
            });
        }
        false => webhook.retry = Some(Due::AttemptNow),
    }
}

/// Another entry, whose end changes nothing.
fn replay(protocol: &Protocol, state: &mut State, id: usize) {
    let webhook = &mut state.webhooks[id];
    webhook.to_replay = true;
    webhook.deaths = 0;
    webhook.retry = Some(Due::AttemptNow);
    if protocol.has(Flaw::ReplayTouchesRow) {
        webhook.row = Row::Processing;
    }
}

/// The end of what nobody has in its hands.
fn give_up(state: &mut State, id: usize) {
    let webhook = &mut state.webhooks[id];
    webhook.outbox = None;
    webhook.retry = None;
    webhook.to_replay = false;
    if webhook.row == Row::Processing {
        webhook.row = Row::Failed;
        webhook.finished += 1;
        webhook.failure = true;
    }
}

pub(crate) fn resume(state: &mut State) {
    state.pause = Pause::Over;
}

/// What is parked is due, and waits for a relay to claim it.
pub(crate) fn unpark(state: &mut State, id: usize) {
    state.webhooks[id].retry = Some(Due::AttemptNow);
}

//! Publish: from the hint to the confirm and its note; and the clock, which brings back what nobody has finished.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Relay, State},
};

/// What a relay and the broker can do next with a message.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (api, id) in protocol.apis_and_ids() {
        match state.apis[api].relay[id] {
            Relay::Idle => {}
            // A queue with much in it is not given more; here much is very little.
            Relay::Told if state.messages(id) >= protocol.bounds.messages => {}
            Relay::Told => actions.push(Action::Publish { api, id }),
            Relay::Sent => actions.push(Action::BrokerAccepts { api, id }),
            Relay::Accepted => actions.push(Action::ConfirmArrives { api, id }),
            Relay::Confirmed => actions.push(Action::NotePublished { api, id }),
        }
    }
}

/// What a relay can find in the outbox.
pub(crate) fn sweeps(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if protocol.has(Flaw::NoSweep) {
        return;
    }
    for (api, id) in protocol.apis_and_ids() {
        let due = state.webhooks[id].entry.map(|entry| entry.due);
        if due == Some(Due::Now) && state.apis[api].relay[id] == Relay::Idle {
            actions.push(Action::Sweep { api, id });
        }
    }
}

/// Due times that can be reached.
pub(crate) fn clock(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for id in protocol.ids() {
        let due = state.webhooks[id].entry.map(|entry| entry.due);
        if let Some(Due::Claimed(_) | Due::Retry | Due::Later) = due {
            actions.push(Action::FallDue { id });
        }
    }
}

pub(crate) fn publish(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Sent;
    if protocol.has(Flaw::MarkBeforeConfirm) {
        put_off(protocol, state, api, id, Due::Never);
    }
}

pub(crate) fn broker_accepts(state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Accepted;
    state.webhooks[id].ready += 1;
}

pub(crate) fn confirm_arrives(state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Confirmed;
}

pub(crate) fn note_published(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Idle;
    let until = match protocol.flaw {
        Some(Flaw::MarkBeforeConfirm) => return,
        Some(Flaw::MarkForEver) => Due::Never,
        _ => Due::Later,
    };
    put_off(protocol, state, api, id, until);
}

pub(crate) fn fall_due(state: &mut State, id: usize) {
    if let Some(entry) = &mut state.webhooks[id].entry {
        entry.due = Due::Now;
    }
}

/// One of several relays claims it.
pub(crate) fn sweep(state: &mut State, api: usize, id: usize) {
    if let Some(entry) = &mut state.webhooks[id].entry {
        entry.due = Due::Claimed(api);
        state.apis[api].relay[id] = Relay::Told;
    }
}

/// The note's statement: only where nobody holds the entry, and its due time is still the one that this relay has
/// published it under. A consumer may have put it back since.
///
/// The product asks for less than the same due time: that no consumer holds the entry or has died with it. So there a
/// note may also put off what another relay has claimed since. The confirmed message is in the queue then; if the queue
/// is lost as well, before that relay publishes, the id waits a quarter of an hour.
fn put_off(protocol: &Protocol, state: &mut State, api: usize, id: usize, until: Due) {
    let Some(entry) = &mut state.webhooks[id].entry else {
        return;
    };
    let as_published = entry.due == Due::Claimed(api) || protocol.has(Flaw::NoteOverNewerDueTime);
    if entry.holder.is_none() && as_published {
        entry.due = until;
    }
}

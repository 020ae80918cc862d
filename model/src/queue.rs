//! A queue that is gone: whoever finds that says so in the database, and creates it anew.

use crate::{
    Action, Flaw, Protocol,
    state::{Queue, State},
};

/// What whoever connects can do next.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    match state.queue {
        Queue::There => {}
        Queue::Gone if protocol.has(Flaw::CreateBeforeNote) => {
            let running = (0..state.consumers.len()).filter(|&consumer| state.runs(consumer));
            actions.extend(running.map(|consumer| Action::CreateQueueUnnoted { consumer }));
        }
        Queue::Gone => actions.push(Action::NoteQueue),
        Queue::Noted => actions.push(Action::CreateQueue),
    }
    for (consumer, it) in state.consumers.iter().enumerate() {
        if it.to_note {
            actions.push(Action::NoteQueueLate { consumer });
        }
    }
    for (api, it) in state.apis.iter().enumerate() {
        if it.news {
            actions.push(Action::HearOfQueue { api });
        }
    }
}

/// Every relay will hear of it, those that begin now, too.
pub(crate) fn note(protocol: &Protocol, state: &mut State) {
    if state.queue == Queue::Gone {
        state.queue = Queue::Noted;
    }
    for api in state.apis.iter_mut().take(protocol.bounds.apis) {
        api.news = true;
    }
}

pub(crate) fn create(state: &mut State) {
    state.queue = Queue::There;
}

pub(crate) fn create_unnoted(state: &mut State, consumer: usize) {
    state.queue = Queue::There;
    state.consumers[consumer].to_note = true;
}

pub(crate) fn note_late(protocol: &Protocol, state: &mut State, consumer: usize) {
    state.consumers[consumer].to_note = false;
    note(protocol, state);
}

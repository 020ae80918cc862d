//! Receive: from the request to the 202. The row and its outbox entry commit as one; only then is the sender
//! answered.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Entry, Relay, Request, Row, State},
};

/// What the sender and the API can do next.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (api, id) in protocol.apis_and_ids() {
        match state.apis[api].requests[id] {
            Request::None => {}
            Request::Received if protocol.has(Flaw::AnswerBeforeCommit) => {
                actions.push(Action::Answer202 { api, id });
            }
            Request::Received | Request::AnsweredEarly => {
                actions.push(Action::CommitReceive { api, id });
            }
            Request::Committed => actions.push(Action::Answer202 { api, id }),
        }
    }
}

/// First requests: they come from outside, so the calm does not need them.
pub(crate) fn arrivals(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (api, id) in protocol.apis_and_ids() {
        if state.webhooks[id].row == Row::None && !in_flight(state, id) {
            actions.push(Action::Receive { api, id });
        }
    }
}

/// Whether some API has a request with this id.
pub(crate) fn in_flight(state: &State, id: usize) -> bool {
    state
        .apis
        .iter()
        .any(|api| api.requests[id] != Request::None)
}

pub(crate) fn receive(state: &mut State, api: usize, id: usize) {
    state.apis[api].requests[id] = Request::Received;
}

/// One statement: the row and its entry, unless the id is known. Then the relay gets its hint.
pub(crate) fn commit(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    let is_new = insert(protocol, state, id);
    let at = &mut state.apis[api];
    at.requests[id] = match at.requests[id] {
        Request::AnsweredEarly => Request::None,
        _ => Request::Committed,
    };
    if is_new && at.relay[id] == Relay::Idle {
        at.relay[id] = Relay::Told;
        at.is_retry[id] = false;
    }
}

/// The statement alone. Returns whether the id was new.
pub(crate) fn insert(protocol: &Protocol, state: &mut State, id: usize) -> bool {
    let webhook = &mut state.webhooks[id];
    if webhook.row != Row::None && !protocol.has(Flaw::Upsert) {
        return false;
    }
    webhook.row = Row::Processing;
    webhook.failure = false;
    webhook.retry = None;
    if !protocol.has(Flaw::PublishWithoutOutbox) {
        webhook.outbox = Some(RECEIVED);
    }
    true
}

pub(crate) fn answer(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    let webhook = &mut state.webhooks[id];
    if webhook.row == Row::None {
        state.broken.receipt = true;
    }
    if protocol.has(Flaw::PublishWithoutOutbox) && webhook.row == Row::Processing {
        webhook.outbox.get_or_insert(RECEIVED);
    }
    let request = &mut state.apis[api].requests[id];
    *request = match *request {
        Request::Received => Request::AnsweredEarly,
        _ => Request::None,
    };
}

/// What a new id's entry says: due soon, for this API's own hint should come first.
const RECEIVED: Entry = Entry {
    due: Due::Fresh,
    holder: None,
};

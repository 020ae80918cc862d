//! Publish: from the hint to the confirm and its note; and what brings an id back that nobody has finished: the clock,
//! the looks at what is due, and what the broker hands back.

use crate::{
    Action, Flaw, Protocol,
    state::{Due, Entry, Queue, Relay, State},
};

/// What a relay and the broker can do next with a message.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for (api, id) in protocol.apis_and_ids() {
        match state.apis[api].relay[id] {
            Relay::Idle => {}
            // A queue with much in it is not given more; here much is very little.
            Relay::Told if state.messages(id) >= protocol.bounds.messages => {}
            Relay::Told => actions.push(Action::Publish { api, id }),
            // Without a queue it comes back, the relay connects anew, and finds the queue gone.
            Relay::Sent if state.queue != Queue::There => {}
            Relay::Sent => actions.push(Action::BrokerAccepts { api, id }),
            Relay::Accepted => actions.push(Action::ConfirmArrives { api, id }),
            Relay::Confirmed => actions.push(Action::NotePublished { api, id }),
        }
    }
    for id in protocol.ids() {
        if state.webhooks[id].returned && !protocol.has(Flaw::ForgetReturned) {
            actions.push(Action::ComeBack { id });
        }
    }
}

/// What the looks can find.
pub(crate) fn looks(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if protocol.has(Flaw::NoSweep) {
        return;
    }
    for (api, id) in protocol.apis_and_ids() {
        let it = &state.apis[api];
        let webhook = &state.webhooks[id];
        if it.recovery[id] && !it.news {
            actions.push(Action::Recover { api, id });
        }
        if it.relay[id] != Relay::Idle || !webhook.has_entry() {
            continue;
        }
        let held_back = protocol.has(Flaw::BacklogHoldsRetries) && protocol.bounds.backlog;
        if let Some(Due::Now | Due::AttemptNow) = webhook.retry
            && !held_back
        {
            actions.push(Action::ClaimRetry { api, id });
        }
        let due = webhook.outbox.map(|entry| entry.due);
        match protocol.bounds.backlog {
            true if !it.passed[id] && !frontier_waits(protocol, due) => {
                actions.push(Action::PassFrontier { api, id });
            }
            false if due == Some(Due::Now) && state.is_free(id) => {
                actions.push(Action::Walk { api, id });
            }
            _ => {}
        }
    }
}

/// Whether the frontier stops before an entry until its time has come, or it is noted: what somebody is about to publish
/// may be left by him.
fn frontier_waits(protocol: &Protocol, due: Option<Due>) -> bool {
    match due {
        Some(Due::Fresh) => true,
        Some(Due::Claimed(_)) => !protocol.has(Flaw::FrontierPassesClaims),
        _ => false,
    }
}

/// Due times that can be reached. Under a backlog, not those that are only for what the broker has lost.
pub(crate) fn clock(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    for id in protocol.ids() {
        let webhook = &state.webhooks[id];
        let of_outbox = webhook.outbox.filter(|_| state.is_free(id)).map(|e| e.due);
        let runs = |due: Option<Due>| match due {
            Some(Due::Fresh | Due::Claimed(_) | Due::GivenUp | Due::NextAttempt) => true,
            Some(Due::Later) => !protocol.bounds.backlog,
            _ => false,
        };
        if runs(of_outbox) || runs(webhook.retry) {
            actions.push(Action::FallDue { id });
        }
    }
}

pub(crate) fn publish(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Sent;
    if protocol.has(Flaw::MarkBeforeConfirm) {
        note(protocol, state, api, id, Due::Never);
    }
}

pub(crate) fn broker_accepts(state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Accepted;
    state.webhooks[id].ready += 1;
}

/// The broker has no room. What is a retry falls due by itself; the frontier goes back to the rest.
pub(crate) fn broker_refuses(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    match protocol.has(Flaw::NoteRefused) {
        true => state.apis[api].relay[id] = Relay::Confirmed,
        false => missed(state, api, id),
    }
}

/// It has not been published after all, or nobody can say.
pub(crate) fn missed(state: &mut State, api: usize, id: usize) {
    let it = &mut state.apis[api];
    it.relay[id] = Relay::Idle;
    it.is_retry[id] = false;
    it.passed[id] = false;
}

pub(crate) fn confirm_arrives(state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Confirmed;
}

pub(crate) fn note_published(protocol: &Protocol, state: &mut State, api: usize, id: usize) {
    state.apis[api].relay[id] = Relay::Idle;
    match protocol.flaw {
        Some(Flaw::MarkBeforeConfirm) => {}
        Some(Flaw::MarkForEver) => note(protocol, state, api, id, Due::Never),
        _ => note(protocol, state, api, id, Due::Later),
    }
    state.apis[api].is_retry[id] = false;
}

/// The note's statement. In the outbox: where nobody holds the entry; what has come back from a consumer is among the
/// retries. There: where its time is still that of the claim, for it may have come back there since.
fn note(protocol: &Protocol, state: &mut State, api: usize, id: usize, until: Due) {
    let webhook = &mut state.webhooks[id];
    if state.apis[api].is_retry[id] {
        if let Some(due) = &mut webhook.retry
            && (*due == Due::Claimed(api)
                || (protocol.has(Flaw::NoteOverNewerRetry) && !due.waits()))
        {
            *due = until;
        }
    } else if let Some(entry) = &mut webhook.outbox
        && entry.holder.is_none()
    {
        entry.due = until;
    }
}

pub(crate) fn fall_due(state: &mut State, id: usize) {
    let is_free = state.is_free(id);
    let webhook = &mut state.webhooks[id];
    if let Some(entry) = &mut webhook.outbox
        && is_free
        && entry.due != Due::Never
    {
        entry.due = Due::Now;
    }
    if let Some(due) = &mut webhook.retry {
        *due = match *due {
            Due::NextAttempt | Due::AttemptNow => Due::AttemptNow,
            Due::Never => Due::Never,
            Due::Parked => Due::Parked,
            _ => Due::Now,
        };
    }
}

/// One of several relays claims a retry. From now on whoever gets its message may begin.
pub(crate) fn claim_retry(state: &mut State, api: usize, id: usize) {
    state.webhooks[id].retry = Some(Due::Claimed(api));
    state.apis[api].relay[id] = Relay::Told;
    state.apis[api].is_retry[id] = true;
}

/// One of several relays claims an entry of the outbox.
pub(crate) fn walk(state: &mut State, api: usize, id: usize) {
    if let Some(entry) = &mut state.webhooks[id].outbox {
        entry.due = Due::Claimed(api);
        state.apis[api].relay[id] = Relay::Told;
        state.apis[api].is_retry[id] = false;
    }
}

/// The frontier comes by, once: what is due is claimed, and what is not never looked at again.
pub(crate) fn pass_frontier(state: &mut State, api: usize, id: usize) {
    state.apis[api].passed[id] = true;
    let is_due = state.webhooks[id].outbox.map(|entry| entry.due) == Some(Due::Now);
    if is_due && state.is_free(id) {
        walk(state, api, id);
    }
}

/// A relay hears that the queue is new. What it has on the way, or has yet to note, may be of before: it will be looked
/// at again.
pub(crate) fn hear(protocol: &Protocol, state: &mut State, api: usize) {
    state.apis[api].news = false;
    for id in protocol.ids() {
        let relay = state.apis[api].relay[id];
        if !matches!(relay, Relay::Idle | Relay::Told) && !protocol.has(Flaw::NoteWhatWasLost) {
            missed(state, api, id);
        }
        state.apis[api].recovery[id] = true;
    }
}

/// The recovery comes by, once: what had been published is published again, and what is about to be is left alone.
pub(crate) fn recover(state: &mut State, api: usize, id: usize) {
    state.apis[api].recovery[id] = false;
    let webhook = &mut state.webhooks[id];
    if webhook.retry == Some(Due::Later) {
        webhook.retry = Some(Due::Now);
    }
    if matches!(
        webhook.outbox,
        Some(Entry {
            due: Due::Later,
            ..
        })
    ) && state.is_free(id)
    {
        walk(state, api, id);
    }
}

/// A message has left the queue without a consumer: what of it is unfinished and in no living hands is due.
pub(crate) fn come_back(state: &mut State, id: usize) {
    let is_free = state.is_free(id);
    let webhook = &mut state.webhooks[id];
    webhook.returned = false;
    if webhook.outbox.is_some() && is_free {
        webhook.outbox = None;
        webhook.retry = Some(Due::Now);
    } else if let Some(due) = &mut webhook.retry
        && !due.waits()
    {
        *due = Due::Now;
    }
}

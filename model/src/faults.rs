//! What goes wrong, at any moment, as often as [`Bounds`](crate::Bounds) allows.

use crate::{
    Action, Flaw, Protocol, consumer, ingress, lease,
    relay::missed,
    state::{Api, Lease, Life, Queue, Relay, Request, Row, Run, State},
};

/// What can go wrong next. Faults that would change nothing are left out.
pub(crate) fn actions(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if state.faults_left == 0 {
        return;
    }
    for api in 0..protocol.bounds.apis {
        of_api(protocol, state, api, actions);
    }
    for (consumer, it) in state.consumers.iter().enumerate() {
        if it.life == Life::Running {
            of_consumer(protocol, state, consumer, actions);
        }
    }
    of_broker(protocol, state, actions);
}

fn of_broker(protocol: &Protocol, state: &State, actions: &mut Vec<Action>) {
    if !state.queue_lost && protocol.ids().any(|id| queued(state, id) > 0) {
        actions.push(Action::LoseQueue);
    }
    for id in protocol.ids() {
        let webhook = &state.webhooks[id];
        if webhook.ready > 0 && webhook.has_entry() {
            actions.push(Action::MessageReturns { id });
            // Under a backlog nothing but the note of a new queue brings back what was lost.
            if !protocol.bounds.backlog {
                actions.push(Action::Purge { id });
            }
        }
    }
}

fn of_api(protocol: &Protocol, state: &State, api: usize, actions: &mut Vec<Action>) {
    let it = &state.apis[api];
    for id in protocol.ids() {
        let known = state.webhooks[id].row != Row::None || ingress::in_flight(state, id);
        if known && it.requests[id] == Request::None {
            actions.push(Action::SendAgain { api, id });
        }
        if it.requests[id] == Request::Received && state.webhooks[id].row == Row::None {
            actions.push(Action::CommitReceiveUnheard { api, id });
        }
        if it.relay[id] == Relay::Sent && state.queue == Queue::There {
            actions.push(Action::BrokerRefuses { api, id });
        }
    }
    if *it != Api::default() {
        actions.push(Action::CrashApi { api });
    }
    if it.relay.iter().any(|&relay| unconfirmed(relay)) {
        actions.push(Action::LoseConfirms { api });
    }
}

fn of_consumer(protocol: &Protocol, state: &State, consumer: usize, actions: &mut Vec<Action>) {
    let it = &state.consumers[consumer];
    for id in protocol.ids() {
        match it.hands[id].run {
            Run::Taking => actions.push(Action::CommitTakeUnheard { consumer, id }),
            Run::BringingIn => actions.push(Action::CommitBringInUnheard { consumer, id }),
            Run::Working => actions.push(Action::WorkFails { consumer, id }),
            Run::Finishing => actions.push(Action::CommitFinishUnheard { consumer, id }),
            Run::Retrying => actions.push(Action::CommitRetryUnheard { consumer, id }),
            Run::Failing => actions.push(Action::CommitFailUnheard { consumer, id }),
            Run::Parking => actions.push(Action::CommitParkUnheard { consumer, id }),
            Run::Releasing => actions.push(Action::CommitReleaseUnheard { consumer, id }),
            Run::Idle | Run::Ordered | Run::NotOurs | Run::Settling | Run::Requeueing => {}
        }
    }
    // One of them can always work, or nobody could be expected to.
    let others_work = (state.consumers.iter().enumerate())
        .any(|(other, it)| other != consumer && it.life == Life::Running && !it.sick);
    if !it.sick && others_work {
        actions.push(Action::Sicken { consumer });
    }
    if it.hands.iter().any(|hand| hand.unacked > 0) {
        actions.push(Action::DropConnection { consumer });
    }
    if it
        .hands
        .iter()
        .all(|hand| hand.run == Run::Idle && hand.unacked == 0)
        && !it.to_note
    {
        return; // An idle process that is replaced by another idle one.
    }
    actions.push(Action::CrashConsumer { consumer });
    actions.push(Action::Fence { consumer });
    if !it.hands.iter().any(|hand| hand.run.is_statement()) {
        actions.push(Action::Stop { consumer });
    }
    let is_flawed = protocol.has(Flaw::NoSelfFencing) || protocol.has(Flaw::BuryWhoHasRenewed);
    if is_flawed && it.lease == Lease::Alive {
        actions.push(Action::BuryTheLiving { consumer });
    }
}

/// Its memory is gone, and its requests with it. A new process in its place starts with nothing, but hears that the
/// queue was created not long ago.
pub(crate) fn crash_api(state: &mut State, api: usize) {
    let it = &state.apis[api];
    let news = it.news || it.recovery.contains(&true);
    state.apis[api] = Api {
        news,
        ..Api::default()
    };
}

/// It lets go of everything at once: by dying, or by fencing itself. What it has sent to the database may still
/// commit. A new process takes its place, under a new name; or the same one, which amounts to the same.
pub(crate) fn leave(state: &mut State, consumer: usize, life: Life) {
    drop_connection(state, consumer);
    let it = &mut state.consumers[consumer];
    it.life = life;
    it.sick = false;
    it.to_note = false;
    consumer::let_go(it);
    if let Some(next) = state
        .consumers
        .iter_mut()
        .find(|consumer| consumer.life == Life::Unborn)
    {
        next.life = Life::Running;
        next.lease = Lease::Alive;
    }
}

/// It leaves in good order: ends its lease, then hands its deliveries back.
pub(crate) fn stop(protocol: &Protocol, state: &mut State, consumer: usize) {
    leave(state, consumer, Life::Fenced);
    lease::end(protocol, state, consumer);
}

pub(crate) fn lose_confirms(state: &mut State, api: usize) {
    for id in 0..state.webhooks.len() {
        if unconfirmed(state.apis[api].relay[id]) {
            missed(state, api, id);
        }
    }
}

/// The broker puts back what was delivered and not acked. The runs go on.
pub(crate) fn drop_connection(state: &mut State, consumer: usize) {
    let hands = &mut state.consumers[consumer].hands;
    for (webhook, hand) in state.webhooks.iter_mut().zip(hands) {
        webhook.ready += std::mem::take(&mut hand.unacked);
    }
}

pub(crate) fn lose_queue(state: &mut State) {
    state.queue_lost = true;
    state.queue = Queue::Gone;
    for webhook in &mut state.webhooks {
        webhook.ready = 0;
    }
    for hand in state.consumers.iter_mut().flat_map(|c| &mut c.hands) {
        hand.unacked = 0;
    }
}

/// The broker loses a message and tells nobody; an operator has emptied the queue, say.
pub(crate) fn purge(state: &mut State, id: usize) {
    state.purged = true;
    state.webhooks[id].ready -= 1;
}

/// A policy has dropped it, or it came back from its consumers too often.
pub(crate) fn message_returns(state: &mut State, id: usize) {
    state.webhooks[id].ready -= 1;
    state.webhooks[id].returned = true;
}

fn unconfirmed(relay: Relay) -> bool {
    matches!(relay, Relay::Sent | Relay::Accepted)
}

fn queued(state: &State, id: usize) -> u8 {
    let held: u8 = state.consumers.iter().map(|c| c.hands[id].unacked).sum();
    state.webhooks[id].ready + held
}

//! What goes wrong, at any moment, as often as [`Bounds`](crate::Bounds) allows.

use crate::{
    Action, Flaw, Protocol, ingress, lease,
    state::{Api, Consumer, Lease, Life, Relay, Request, Row, Run, State},
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
    if !state.queue_lost && protocol.ids().any(|id| queued(state, id) > 0) {
        actions.push(Action::LoseQueue);
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
            Run::Working => actions.push(Action::WorkFails { consumer, id }),
            Run::Finishing => actions.push(Action::CommitFinishUnheard { consumer, id }),
            Run::Releasing => actions.push(Action::CommitReleaseUnheard { consumer, id }),
            Run::Idle | Run::Settling => {}
        }
    }
    if it.hands.iter().any(|hand| hand.unacked > 0) {
        actions.push(Action::DropConnection { consumer });
    }
    if it.hands == Consumer::default().hands {
        return; // An idle process that is replaced by another idle one.
    }
    actions.push(Action::CrashConsumer { consumer });
    actions.push(Action::Fence { consumer });
    let sending = [Run::Taking, Run::Finishing, Run::Releasing];
    if !it.hands.iter().any(|hand| sending.contains(&hand.run)) {
        actions.push(Action::Stop { consumer });
    }
    if protocol.has(Flaw::NoSelfFencing) && it.lease == Lease::Alive {
        actions.push(Action::ExpireUnnoticed { consumer });
    }
}

/// Its memory is gone, and its requests with it. A new process in its place starts with nothing.
pub(crate) fn crash_api(state: &mut State, api: usize) {
    state.apis[api] = Api::default();
}

/// It lets go of everything at once: by dying, or by fencing itself. What it has sent to the database may still
/// commit. A new process takes its place, under a new name.
pub(crate) fn leave(state: &mut State, consumer: usize) {
    drop_connection(state, consumer);
    state.consumers[consumer].life = Life::Gone;
    if let Some(next) = state
        .consumers
        .iter_mut()
        .find(|consumer| consumer.life == Life::Unborn)
    {
        next.life = Life::Running;
        next.lease = Lease::Alive;
    }
}

/// It leaves in good order: puts back what it holds, gives up its lease, then hands its deliveries back.
pub(crate) fn stop(state: &mut State, consumer: usize) {
    lease::free(state, consumer, false);
    leave(state, consumer);
    lease::delete(state, consumer);
}

pub(crate) fn lose_confirms(state: &mut State, api: usize) {
    for relay in &mut state.apis[api].relay {
        if unconfirmed(*relay) {
            *relay = Relay::Idle;
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
    for webhook in &mut state.webhooks {
        webhook.ready = 0;
    }
    for hand in state.consumers.iter_mut().flat_map(|c| &mut c.hands) {
        hand.unacked = 0;
    }
}

fn unconfirmed(relay: Relay) -> bool {
    matches!(relay, Relay::Sent | Relay::Accepted)
}

fn queued(state: &State, id: usize) -> u8 {
    let held: u8 = state.consumers.iter().map(|c| c.hands[id].unacked).sum();
    state.webhooks[id].ready + held
}

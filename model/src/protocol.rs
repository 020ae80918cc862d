//! The protocol as a model that stateright can check.

use stateright::{Model, Property};

use crate::{
    Action, Flaw, consumer, examples, faults, ingress, lease, properties, relay,
    state::{APIS, CONSUMERS, IDS, Lease, Life, Run, State},
};

/// The protocol, in a world of this size, with at most one flaw.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub bounds: Bounds,
    pub flaw: Option<Flaw>,
}

/// How large a world is checked. All of it is, so a little more here is many more states.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Webhooks: 1 or 2.
    pub ids: usize,
    /// Processes that receive and publish: 1 or 2.
    pub apis: usize,
    /// Processes that consume, at a time.
    pub consumers: usize,
    /// Faults, of all kinds together. With the consumers, 5 at most.
    pub faults: u8,
    /// Messages of one id in the queue at a time.
    pub messages: u8,
}

impl Protocol {
    /// Without a flaw.
    pub fn sound(bounds: Bounds) -> Self {
        Self { bounds, flaw: None }
    }

    pub fn flawed(bounds: Bounds, flaw: Flaw) -> Self {
        Self {
            bounds,
            flaw: Some(flaw),
        }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.bounds.ids.min(IDS)
    }

    pub(crate) fn apis_and_ids(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ids = self.bounds.ids.min(IDS);
        (0..self.bounds.apis.min(APIS)).flat_map(move |api| (0..ids).map(move |id| (api, id)))
    }

    pub(crate) fn consumers_and_ids(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ids = self.bounds.ids.min(IDS);
        (0..CONSUMERS).flat_map(move |consumer| (0..ids).map(move |id| (consumer, id)))
    }

    /// What can happen without a fault and without the sender, the most pressing first and the passing of time last.
    pub(crate) fn progress(&self, state: &State, actions: &mut Vec<Action>) {
        consumer::actions(self, state, actions);
        ingress::actions(self, state, actions);
        relay::actions(self, state, actions);
        consumer::deliveries(self, state, actions);
        lease::actions(self, state, actions);
        relay::sweeps(self, state, actions);
        relay::clock(self, state, actions);
    }

    pub(crate) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Receive { api, id } => ingress::receive(state, api, id),
            Action::CommitReceive { api, id } => ingress::commit(self, state, api, id),
            Action::Answer202 { api, id } => ingress::answer(self, state, api, id),
            Action::Publish { api, id } => relay::publish(self, state, api, id),
            Action::BrokerAccepts { api, id } => relay::broker_accepts(state, api, id),
            Action::ConfirmArrives { api, id } => relay::confirm_arrives(state, api, id),
            Action::NotePublished { api, id } => relay::note_published(self, state, api, id),
            Action::FallDue { id } => relay::fall_due(state, id),
            Action::Sweep { api, id } => relay::sweep(state, api, id),
            Action::Deliver { consumer, id } => consumer::deliver(state, consumer, id),
            Action::Take { consumer, id } => consumer::proceed(state, consumer, id, Run::Taking),
            Action::CommitTake { consumer, id } => consumer::commit_take(self, state, consumer, id),
            Action::WorkDone { consumer, id } => {
                consumer::proceed(state, consumer, id, Run::Finishing);
            }
            Action::CommitFinish { consumer, id } => {
                consumer::commit_finish(self, state, consumer, id);
            }
            Action::CommitRelease { consumer, id } => {
                consumer::commit_release(self, state, consumer, id);
            }
            Action::Ack { consumer, id } => consumer::ack(state, consumer, id),
            Action::Expire { consumer } => lease::expire(state, consumer),
            Action::Reclaim => lease::reclaim(state),
            fault => self.fault(state, fault),
        }
    }

    fn fault(&self, state: &mut State, fault: Action) {
        state.faults_left -= 1;
        match fault {
            Action::SendAgain { api, id } => ingress::receive(state, api, id),
            Action::CrashApi { api } => faults::crash_api(state, api),
            Action::CrashConsumer { consumer } | Action::Fence { consumer } => {
                faults::leave(state, consumer);
            }
            Action::Stop { consumer } => faults::stop(state, consumer),
            Action::LoseConfirms { api } => faults::lose_confirms(state, api),
            Action::DropConnection { consumer } => faults::drop_connection(state, consumer),
            Action::LoseQueue => faults::lose_queue(state),
            Action::CommitReceiveUnheard { api, id } => {
                ingress::insert(self, state, api, id);
            }
            Action::CommitTakeUnheard { consumer, id } => {
                consumer::take(self, state, consumer, id);
            }
            Action::CommitFinishUnheard { consumer, id } => {
                consumer::finish(self, state, consumer, id);
            }
            Action::CommitReleaseUnheard { consumer, id } => {
                consumer::release(self, state, consumer, id);
            }
            Action::WorkFails { consumer, id } => {
                consumer::proceed(state, consumer, id, Run::Releasing);
            }
            Action::ExpireUnnoticed { consumer } => lease::expire(state, consumer),
            _ => {}
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    /// Nothing received yet; the consumers registered.
    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            faults_left: self.bounds.faults,
            ..State::default()
        };
        for consumer in state.consumers.iter_mut().take(self.bounds.consumers) {
            consumer.life = Life::Running;
            consumer.lease = Lease::Alive;
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.progress(state, actions);
        ingress::arrivals(self, state, actions);
        faults::actions(self, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.step(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = properties::promises();
        all.extend(examples::all());
        all
    }
}

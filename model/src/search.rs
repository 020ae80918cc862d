//! The protocol as a model that stateright can check.

use stateright::{Model, Property};

use crate::{
    Action, Protocol, examples, faults, ingress, operator, properties,
    state::{Lease, Life, State},
};

impl Model for Protocol {
    type State = State;
    type Action = Action;

    /// Nothing received yet; the consumers registered.
    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            faults_left: self.bounds.faults,
            acts_left: self.bounds.acts,
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
        operator::acts(self, state, actions);
        faults::actions(self, state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.step(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = properties::promises();
        all.extend(match self.bounds.acts {
            0 => examples::all(),
            _ => examples::of_operators(),
        });
        all
    }
}

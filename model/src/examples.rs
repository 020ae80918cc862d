//! What must be able to happen, or the model proves nothing: the moments that the protocol is there for.

use stateright::Property;

use crate::{
    Protocol,
    state::{Due, Lease, Life, Relay, Row, Run, State},
};

/// One example of each is wanted, in a world with faults enough.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    let mut all = of_messages();
    all.extend(of_consumers());
    all
}

fn of_messages() -> Vec<Property<Protocol>> {
    vec![
        example("all are final and nothing is left over", |p, state| {
            p.ids()
                .all(|id| state.webhooks[id].row == Row::Final && state.messages(id) == 0)
        }),
        example("an id is in the queue twice", |_, state| {
            state.webhooks.iter().any(|w| w.ready > 1)
        }),
        example("a relay publishes what is final", |p, state| {
            p.apis_and_ids().any(|(api, id)| {
                state.webhooks[id].row == Row::Final && state.apis[api].relay[id] == Relay::Sent
            })
        }),
        example("a message comes back while its run goes on", |p, state| {
            works(p, state, |state, id| state.webhooks[id].ready > 0)
        }),
    ]
}

fn of_consumers() -> Vec<Property<Protocol>> {
    vec![
        example("a consumer dies between commit and ack", |_, state| {
            let is_gone = state.consumers.iter().any(|c| c.life == Life::Gone);
            let again = state
                .webhooks
                .iter()
                .any(|w| w.row == Row::Final && w.ready > 0);
            is_gone && again
        }),
        example(
            "what a dead consumer held is worked on again",
            |p, state| works(p, state, |state, id| state.webhooks[id].deaths > 0),
        ),
        example(
            "a dead consumer's finish meets another holder",
            |p, state| {
                p.consumers_and_ids().any(|(consumer, id)| {
                    let it = &state.consumers[consumer];
                    let holder = state.webhooks[id].holder();
                    it.life == Life::Gone
                        && it.hands[id].run == Run::Finishing
                        && holder.is_some_and(|holder| holder != consumer && state.alive(holder))
                })
            },
        ),
        example("a retry is published while nobody has it", |p, state| {
            p.apis_and_ids().any(|(api, id)| {
                state.webhooks[id].retry == Some(Due::Claimed(api))
                    && state.apis[api].relay[id] == Relay::Accepted
            })
        }),
        example("a consumer gives up what it cannot begin", |p, state| {
            p.consumers_and_ids()
                .any(|(consumer, id)| state.consumers[consumer].hands[id].run == Run::Releasing)
        }),
        example(
            "another one works on what a sick one has given up",
            |p, state| {
                let is_sick = state.consumers.iter().any(|c| c.sick);
                is_sick
                    && works(p, state, |state, id| {
                        state.faults_left == 0 && state.messages(id) > 0
                    })
            },
        ),
        example("what was in a lost queue is published again", |p, state| {
            state.queue_lost
                && p.apis_and_ids()
                    .any(|(api, id)| state.apis[api].relay[id] == Relay::Confirmed)
        }),
        example(
            "a message has left the queue without a consumer",
            |_, state| state.webhooks.iter().any(|w| w.returned),
        ),
        example(
            "what a consumer held that has ended its lease comes back",
            |p, state| {
                p.ids().any(|id| {
                    let holder = state.webhooks[id].holder();
                    holder.is_some_and(|it| state.consumers[it].lease == Lease::Ended)
                })
            },
        ),
    ]
}

/// What only happens where there is an operator.
pub(crate) fn of_operators() -> Vec<Property<Protocol>> {
    vec![
        example("what has failed is worked on again", |p, state| {
            works(p, state, |state, id| state.webhooks[id].reopened > 0)
        }),
        example("what was reopened is processed", |_, state| {
            (state.webhooks.iter()).any(|w| w.reopened > 0 && w.row == Row::Final)
        }),
        example(
            "what was reopened fails and is reopened again",
            |_, state| state.webhooks.iter().any(|w| w.reopened > 1),
        ),
        example("a message of before meets what was reopened", |_, state| {
            (state.webhooks.iter())
                .any(|w| w.retry == Some(Due::AttemptNow) && w.reopened > 0 && w.ready > 0)
        }),
        example("what is processed is worked on again", |p, state| {
            works(p, state, |state, id| state.webhooks[id].to_replay)
        }),
        example(
            "a replay dies with its consumer and is worked on again",
            |p, state| {
                works(p, state, |state, id| {
                    state.webhooks[id].to_replay && state.webhooks[id].deaths > 0
                })
            },
        ),
        example("what a dead consumer holds is given up", |_, state| {
            let is_dead = state.consumers.iter().any(|c| c.lease == Lease::Dead);
            is_dead && state.webhooks.iter().any(|w| w.row == Row::Failed)
        }),
        example("what is parked is in the queue, too", |_, state| {
            (state.webhooks.iter()).any(|w| w.retry == Some(Due::Parked) && w.ready > 0)
        }),
    ]
}

fn example(name: &'static str, condition: fn(&Protocol, &State) -> bool) -> Property<Protocol> {
    Property::sometimes(name, condition)
}

/// Whether somebody works on an id of which this is true.
fn works(protocol: &Protocol, state: &State, such: impl Fn(&State, usize) -> bool) -> bool {
    protocol.consumers_and_ids().any(|(consumer, id)| {
        let run = state.consumers[consumer].hands[id].run;
        state.runs(consumer) && run == Run::Working && such(state, id)
    })
}

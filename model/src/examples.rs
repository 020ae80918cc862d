//! What must be able to happen, or the model proves nothing: the moments that the protocol is there for.

use stateright::Property;

use crate::{
    Protocol,
    state::{Life, Relay, Row, Run, State, Webhook},
};

/// One example of each is wanted, in a world with faults enough.
pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes(
            "all are final and nothing is left over",
            |p: &Protocol, state: &State| {
                p.ids()
                    .all(|id| state.webhooks[id].row == Row::Final && state.messages(id) == 0)
            },
        ),
        Property::sometimes(
            "an id is in the queue twice",
            |_: &Protocol, state: &State| state.webhooks.iter().any(|w| w.ready > 1),
        ),
        Property::sometimes(
            "a relay publishes what is final",
            |p: &Protocol, state: &State| {
                p.apis_and_ids().any(|(api, id)| {
                    state.webhooks[id].row == Row::Final && state.apis[api].relay[id] == Relay::Sent
                })
            },
        ),
        Property::sometimes(
            "a message comes back while its run goes on",
            |p: &Protocol, state: &State| {
                in_hand(p, state, Life::Running, |w, run, unacked| {
                    run == Run::Working && unacked == 0 && w.ready > 0
                })
            },
        ),
        Property::sometimes(
            "a consumer dies between commit and ack",
            |p: &Protocol, state: &State| {
                in_hand(p, state, Life::Gone, |w, run, _| {
                    run == Run::Settling && w.row == Row::Final && w.ready > 0
                })
            },
        ),
        Property::sometimes(
            "another consumer acks what that one could not",
            |p: &Protocol, state: &State| {
                in_hand(p, state, Life::Gone, |w, run, _| {
                    run == Run::Settling && w.row == Row::Final
                }) && p.ids().all(|id| state.messages(id) == 0)
            },
        ),
        Property::sometimes(
            "what a dead consumer held is worked on again",
            |p: &Protocol, state: &State| {
                in_hand(p, state, Life::Running, |w, run, _| {
                    run == Run::Working && w.entry.is_some_and(|entry| entry.crashed)
                })
            },
        ),
        Property::sometimes(
            "a dead consumer's finish meets another holder",
            |p: &Protocol, state: &State| {
                p.consumers_and_ids().any(|(consumer, id)| {
                    let it = &state.consumers[consumer];
                    let holder = state.webhooks[id].entry.and_then(|entry| entry.holder);
                    it.life == Life::Gone
                        && it.hands[id].run == Run::Finishing
                        && holder.is_some_and(|holder| holder != consumer && state.alive(holder))
                })
            },
        ),
    ]
}

/// Whether a consumer, in this part of its life, has such an id: its rows and messages, its run, its unacked
/// deliveries.
fn in_hand(
    protocol: &Protocol,
    state: &State,
    life: Life,
    such: impl Fn(&Webhook, Run, u8) -> bool,
) -> bool {
    protocol.consumers_and_ids().any(|(consumer, id)| {
        let it = &state.consumers[consumer];
        let hand = it.hands[id];
        it.life == life && such(&state.webhooks[id], hand.run, hand.unacked)
    })
}

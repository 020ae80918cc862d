//! The protocol keeps every promise, whatever happens: each world here is searched to its end.

use std::time::Instant;

use model::{Bounds, Protocol};
use stateright::{Checker, Model};

/// Searches all of a world for a broken promise. Returns what the properties call possible and this world has not
/// shown.
#[track_caller]
fn every_promise_is_kept(bounds: Bounds) -> Vec<&'static str> {
    let began = Instant::now();
    let checked = Protocol::sound(bounds)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    println!(
        "{bounds:?}: {} states, {} steps between them, {} deep, in {:?}",
        checked.unique_state_count(),
        checked.state_count(),
        checked.max_depth(),
        began.elapsed()
    );
    let mut unseen = Vec::new();
    for property in checked.model().properties() {
        if property.expectation.discovery_is_failure() {
            if let Some(path) = checked.discovery(property.name) {
                let steps = path.into_actions();
                panic!("{} is broken by {steps:#?}", property.name);
            }
        } else if checked.discovery(property.name).is_none() {
            unseen.push(property.name);
        }
    }
    unseen
}

#[test]
fn one_webhook_survives_two_faults_and_everything_happens_to_it() {
    let unseen = every_promise_is_kept(Bounds {
        ids: 1,
        apis: 1,
        consumers: 2,
        faults: 2,
        acts: 0,
        messages: 2,
        prefetch: 2,
        backlog: true,
    });
    assert_eq!(unseen, [""; 0], "the model is too small to prove much");
}

#[test]
fn one_webhook_survives_two_faults_between_two_relays() {
    every_promise_is_kept(Bounds {
        ids: 1,
        apis: 2,
        consumers: 2,
        faults: 2,
        acts: 0,
        messages: 1,
        prefetch: 1,
        backlog: false,
    });
}

#[test]
fn one_webhook_survives_three_faults_under_a_backlog() {
    every_promise_is_kept(Bounds {
        ids: 1,
        apis: 1,
        consumers: 2,
        faults: 3,
        acts: 0,
        messages: 1,
        prefetch: 1,
        backlog: true,
    });
}

#[test]
fn two_webhooks_survive_a_fault_that_strikes_both() {
    every_promise_is_kept(Bounds {
        ids: 2,
        apis: 1,
        consumers: 1,
        faults: 1,
        acts: 0,
        messages: 1,
        prefetch: 2,
        backlog: true,
    });
}

#[test]
fn two_webhooks_survive_a_fault_where_each_consumer_has_room_for_one() {
    every_promise_is_kept(Bounds {
        ids: 2,
        apis: 1,
        consumers: 2,
        faults: 1,
        acts: 0,
        messages: 1,
        prefetch: 1,
        backlog: true,
    });
}

#[test]
fn one_webhook_survives_two_acts_of_an_operator_and_everything_happens_to_it() {
    let unseen = every_promise_is_kept(Bounds {
        ids: 1,
        apis: 1,
        consumers: 2,
        faults: 1,
        acts: 2,
        messages: 2,
        prefetch: 2,
        backlog: true,
    });
    assert_eq!(unseen, [""; 0], "the model is too small to prove much");
}

#[test]
fn one_webhook_survives_an_act_of_an_operator_and_two_faults() {
    every_promise_is_kept(Bounds {
        ids: 1,
        apis: 1,
        consumers: 2,
        faults: 2,
        acts: 1,
        messages: 1,
        prefetch: 1,
        backlog: true,
    });
}

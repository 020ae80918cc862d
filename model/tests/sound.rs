//! The protocol keeps every promise, whatever happens: each world here is searched to its end.

use model::{Bounds, Protocol};
use stateright::{Checker, Model};

/// Searches all of a world for a broken promise. Returns what the properties call possible and this world has not
/// shown.
#[track_caller]
fn every_promise_is_kept(bounds: Bounds) -> Vec<&'static str> {
    let checked = Protocol::sound(bounds)
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    println!(
        "{bounds:?}: {} states, {} steps between them, {} deep",
        checked.unique_state_count(),
        checked.state_count(),
        checked.max_depth()
    );
    let mut unseen = Vec::new();
    for property in checked.model().properties() {
        if property.expectation.discovery_is_failure() {
            checked.assert_no_discovery(property.name);
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
        apis: 2,
        consumers: 2,
        faults: 2,
        messages: 2,
    });
    assert_eq!(unseen, [""; 0], "the model is too small to prove much");
}

#[test]
fn one_webhook_survives_three_faults() {
    every_promise_is_kept(Bounds {
        ids: 1,
        apis: 1,
        consumers: 2,
        faults: 3,
        messages: 2,
    });
}

#[test]
fn two_webhooks_survive_a_fault_that_strikes_both() {
    every_promise_is_kept(Bounds {
        ids: 2,
        apis: 1,
        consumers: 2,
        faults: 1,
        messages: 1,
    });
}

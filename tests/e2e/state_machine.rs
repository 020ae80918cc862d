//! The embedded service under random operations, held against a model: what was answered stays true,
//! whatever is killed, stopped and started in between.
//!
//! A crash is `kill -9` and a new process on the same file. What was under way then may have been
//! committed or not, and the model carries that: [`model::Known`].

mod model;
mod service;
mod witness;

use proptest::test_runner::{Config, RngSeed, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use self::{model::Model, service::Service};

const CASES: u32 = 32;
const TRANSITIONS_MAX: usize = 25;
/// After a failure: how often, and for how many milliseconds, a shorter way to it is looked for.
const SHRINK_ITERATIONS_MAX: u32 = 60;
const SHRINK_MS_MAX: u32 = 60_000;

/// `PROPTEST_RNG_SEED` gives the same operations again. The processes' timing is their own.
#[test]
fn whatever_happens_to_the_embedded_service_it_keeps_what_it_has_answered() {
    let mut config = Config {
        cases: CASES,
        max_shrink_iters: SHRINK_ITERATIONS_MAX,
        max_shrink_time: SHRINK_MS_MAX,
        failure_persistence: None,
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        let (_, seed) = uuid::Uuid::now_v7().as_u64_pair();
        config.rng_seed = RngSeed::Fixed(seed);
    }
    let operations = Model::sequential_strategy(1..=TRANSITIONS_MAX);
    let outcome = TestRunner::new(config.clone()).run(&operations, |(model, transitions, seen)| {
        Service::test_sequential(config.clone(), model, transitions, seen);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("PROPTEST_RNG_SEED={}\n{failure}", config.rng_seed);
    }
}

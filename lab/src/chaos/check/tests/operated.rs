//! What an operator has asked for.

use std::time::Duration;

use super::{Run, call, finds};
use crate::chaos::{acts::Times, check::Violation, downstream::Call};

const ONCE: Times = Times {
    surely: 1,
    perhaps: 0,
};
const PERHAPS: Times = Times {
    surely: 0,
    perhaps: 1,
};

/// The signed one, which had failed, was reopened and processed.
fn reopened(run: &mut Run) {
    run.state.rows[3].status = "PROCESSED".into();
    run.state.failures.clear();
    run.state.reopened.insert("stripe:test-2".into(), 1);
    run.state
        .calls
        .push(call("stripe:test-2", 3, Some(4), Some(200)));
}

#[test]
fn what_has_failed_may_be_processed_if_and_only_if_an_operator_has_said_so() {
    finds(&[Violation::Misoperated], reopened);
    for times in [ONCE, PERHAPS] {
        finds(&[], |run| {
            reopened(run);
            run.state.acts.retried.insert("stripe:test-2".into(), times);
        });
    }
    finds(&[], |run| {
        reopened(run);
        run.state.acts.bulks = 1;
    });
    // Processed, and nobody has reopened it.
    finds(&[Violation::DeadLetters, Violation::WronglyFailed], |run| {
        reopened(run);
        run.state.reopened.clear();
    });
    finds(&[Violation::Misoperated], |run| {
        reopened(run);
        run.state.acts.retried.insert("stripe:test-2".into(), ONCE);
        run.state.reopened.insert("stripe:test-2".into(), 2);
    });
}

#[test]
fn what_was_confirmed_to_an_operator_is_done() {
    finds(&[Violation::Misoperated], |run| {
        run.state.acts.retried.insert("stripe:test-2".into(), ONCE);
    });
    finds(&[Violation::Misoperated], |run| {
        run.state.acts.replayed.insert("test-0".into(), ONCE);
    });
    finds(&[], |run| {
        run.state.acts.replayed.insert("test-0".into(), PERHAPS);
        run.state
            .acts
            .retried
            .insert("stripe:test-2".into(), PERHAPS);
    });
}

/// What was processed stays so, though its replay is refused.
#[test]
fn a_refused_replay_fails_nothing() {
    finds(&[], |run| {
        run.state.acts.replayed.insert("test-0".into(), ONCE);
        run.state.calls.push(Call {
            replay: true,
            ..call("test-0", 5, Some(6), Some(400))
        });
    });
}

#[test]
fn a_replay_is_marked_and_wanted() {
    let first = |run: &mut Run| run.state.calls.push(call("test-0", 1, Some(2), Some(200)));
    let again = |replay| Call {
        replay,
        attempt: Some("2".into()),
        bytes: None,
        began: Duration::from_secs(5),
        ..call("test-0", 5, Some(6), Some(200))
    };
    finds(&[], |run| {
        first(run);
        run.state.calls.push(again(true));
        run.state.acts.replayed.insert("test-0".into(), ONCE);
    });
    finds(&[Violation::Misoperated], |run| {
        first(run);
        run.state.calls.push(again(true));
    });
    finds(&[Violation::Repeated, Violation::Misoperated], |run| {
        first(run);
        run.state.calls.push(again(false));
        run.state.acts.replayed.insert("test-0".into(), ONCE);
    });
    finds(&[Violation::Misoperated], |run| {
        first(run);
        run.state.calls.extend([
            again(true),
            Call {
                began: Duration::from_secs(8),
                ended: Some(Duration::from_secs(9)),
                ..again(true)
            },
        ]);
        run.state.acts.replayed.insert("test-0".into(), ONCE);
    });
}

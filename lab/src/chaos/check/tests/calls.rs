//! What the calls of downstream tell.

use std::time::Duration;

use super::{Run, call, finds};
use crate::chaos::{check::Violation, downstream::Call};

#[test]
fn a_failure_without_a_refusal_or_a_reason_and_a_refusal_without_a_failure_are_wrong() {
    finds(&[Violation::WronglyFailed], |run| run.state.calls.clear());
    finds(&[Violation::WronglyFailed], |run| {
        run.state.failures.clear()
    });
    finds(&[Violation::WronglyFailed], |run| {
        run.state.calls.push(call("test-2", 1, Some(2), Some(400)));
    });
    finds(&[Violation::WronglyFailed], |run| {
        run.state.failures.insert("test-2".into());
    });
}

#[test]
fn what_was_refused_for_a_moment_may_fail_in_few_cases_only() {
    let brush_off = |run: &mut Run| {
        run.state.calls = vec![call("stripe:test-2", 1, Some(2), Some(404))];
    };
    finds(&[Violation::WronglyFailed], brush_off);
    finds(&[], |run| {
        brush_off(run);
        run.bounds.brushed_off_max = 1;
    });
    // What was refused for good must fail, what was refused for a moment need not.
    finds(&[Violation::WronglyFailed], |run| {
        run.state.calls.push(call("test-2", 1, Some(2), Some(400)));
        run.bounds.brushed_off_max = 1;
    });
    finds(&[], |run| {
        run.state.calls.push(call("test-2", 1, Some(2), Some(404)));
    });
}

#[test]
fn who_has_nothing_to_do_with_a_fault_is_late_if_it_takes_longer_than_is_promised() {
    let at = Duration::from_secs;
    let promise = |run: &mut Run| run.bounds.final_within = Some(at(10));
    finds(&[], promise);
    finds(&[Violation::Late], |run| {
        promise(run);
        run.state.rows[1].took = Some(at(11));
    });
    finds(&[], |run| {
        promise(run);
        run.state.rows[1].took = Some(at(11));
        run.state.calls.push(call("test-1", 1, Some(2), Some(500)));
    });
    finds(&[], |run| run.state.rows[1].took = Some(at(11)));
}

#[test]
fn what_is_called_with_another_key_or_other_bytes_or_for_nobody_is_misdelivered() {
    let misdelivered = |change: fn(&mut Call)| {
        finds(&[Violation::Misdelivered], |run| {
            change(&mut run.state.calls[0])
        });
    };
    misdelivered(|call| call.bytes = Some(1));
    misdelivered(|call| call.transaction = None);
    misdelivered(|call| call.key = "test-2".into());
    finds(&[Violation::Misdelivered], |run| {
        run.state.calls.push(call("test-99", 1, Some(2), Some(200)));
    });
    // What broke off says nothing of whom it was for.
    finds(&[], |run| {
        let mut call = call("test-1", 1, Some(2), None);
        (call.transaction, call.bytes) = (None, None);
        run.state.calls.push(call);
    });
}

#[test]
fn an_attempt_that_was_nobodys_fault_is_not_spent() {
    let again = |run: &mut Run| {
        let mut call = call("test-1", 1, Some(2), Some(200));
        call.attempt = Some("2".into());
        run.state.calls.push(call);
    };
    finds(&[Violation::Spent], |run| {
        run.bounds.first_attempts_only = true;
        again(run);
    });
    finds(&[], again);
}

#[test]
fn a_repeat_is_explained_by_a_failure_a_death_or_a_lost_lease_in_between() {
    let repeated = |run: &mut Run, status| {
        for (began, status) in [(1, status), (5, Some(200))] {
            let call = call("test-1", began, Some(began + 1), status);
            run.state.calls.push(call);
        }
    };
    let death = |run: &mut Run, at| run.state.deaths.push(Duration::from_secs(at));
    finds(&[Violation::Repeated], |run| repeated(run, Some(200)));
    finds(&[Violation::Repeated], |run| {
        repeated(run, Some(200));
        death(run, 6);
    });
    finds(&[], |run| {
        repeated(run, Some(200));
        death(run, 3);
    });
    finds(&[], |run| {
        repeated(run, Some(200));
        run.state.lost_leases = 1;
    });
    for status in [Some(500), None] {
        finds(&[], |run| repeated(run, status));
    }
}

#[test]
fn runs_of_one_id_overlap_only_if_they_share_a_moment() {
    let runs = |run: &mut Run, ends: [Option<u64>; 2]| {
        let [first, second] = ends;
        run.state.calls.extend([
            call("test-1", 1, first, None),
            call("test-1", 2, second, None),
            call("test-2", 1, None, None),
        ]);
    };
    finds(&[], |run| runs(run, [Some(2), Some(3)]));
    for first in [Some(4), None] {
        finds(&[Violation::Overlap], |run| runs(run, [first, Some(3)]));
        finds(&[], |run| {
            runs(run, [first, Some(3)]);
            run.bounds.may_overlap = true;
        });
    }
}

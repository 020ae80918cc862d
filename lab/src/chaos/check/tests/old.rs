//! What the check says of what was there before the run.

use super::{NEW, Run, Violation, finds, request};
use crate::chaos::{
    acts::Times,
    check::{Old, Row},
    history::{Outcome, Told},
    webhook::{Variant, Was, Webhooks},
};

/// Puts a year before a good run, which retention has deleted: each piece of work has ended first.
fn a_year(run: &mut Run) {
    for number in Webhooks::old() {
        let (content, was) = (
            run.webhooks.content(number, Variant::Original),
            Webhooks::was(number),
        );
        if was == Was::Failed {
            run.state.failures.insert(content.key.clone());
        }
        run.state.old.push(Old {
            was,
            row: Row {
                content,
                status: if was == Was::Failed {
                    "FAILED"
                } else {
                    "PROCESSED"
                }
                .into(),
                processed_at: None,
                took: None,
            },
            is_there: false,
            is_known: true,
            ends: u64::from(was.is_unfinished()),
        });
    }
}

/// One that was in that state, in a run with a year before it.
fn one(run: &mut Run, was: Was) -> &mut Old {
    a_year(run);
    let mut old = run.state.old.iter_mut();
    old.find(|old| old.was == was).unwrap()
}

fn told(duplicate: bool) -> Outcome {
    let conflict = false;
    Outcome::Accepted(Some(Told {
        duplicate,
        conflict,
    }))
}

#[test]
fn a_year_that_is_gone_with_its_work_done_is_right() {
    finds(&[], a_year);
    let first = Webhooks::old().start;
    finds(&[], |run| {
        a_year(run);
        run.requests
            .push(request(first, Variant::Original, told(true)));
    });
    finds(&[], |run| {
        let key = one(run, Was::Failed).row.content.key.clone();
        reopened(run, &key);
        let old = run.state.old.iter_mut();
        for old in old.filter(|old| old.row.content.key == key) {
            (old.ends, old.row.status) = (1, "PROCESSED".into());
        }
        run.state.failures.remove(&key);
    });
}

/// As if an operator had reopened what has this key.
fn reopened(run: &mut Run, key: &str) {
    run.state.reopened.insert(key.to_owned(), 1);
    let times = Times {
        surely: 1,
        perhaps: 0,
    };
    run.state.acts.retried.insert(key.to_owned(), times);
}

#[test]
fn what_is_old_and_is_left_is_kept_for_too_long() {
    finds(&[Violation::Kept], |run| run.state.left_of_the_past = 1);
}

#[test]
fn an_old_id_that_is_not_known_is_forgotten() {
    finds(&[Violation::Forgotten], |run| {
        one(run, Was::Processed).is_known = false;
    });
    finds(&[Violation::Forgotten], |run| {
        a_year(run);
        let first = Webhooks::old().start;
        run.requests.push(request(first, Variant::Original, NEW));
    });
    // One that was received anew under an old id.
    finds(&[Violation::Duplicated], |run| {
        let row = one(run, Was::Processed).row.clone();
        run.state.rows.push(row);
    });
}

#[test]
fn work_that_was_deleted_before_its_end_is_lost() {
    for was in [Was::InOutbox, Was::InRetries] {
        finds(&[Violation::Lost], |run| {
            let old = one(run, was);
            (old.ends, old.row.status) = (0, "PROCESSING".into());
        });
        finds(&[Violation::Stuck], |run| {
            let old = one(run, was);
            (old.ends, old.row.status, old.is_there) = (0, "PROCESSING".into(), true);
        });
    }
    finds(&[Violation::Lost], |run| {
        let key = one(run, Was::Failed).row.content.key.clone();
        reopened(run, &key);
    });
}

#[test]
fn old_work_that_has_ended_twice_is_rewritten() {
    for was in [Was::Processed, Was::InOutbox] {
        finds(&[Violation::Rewritten], |run| one(run, was).ends += 1);
    }
}

#[test]
fn a_message_that_comes_again_may_find_nothing_left_of_old_work_and_of_nothing_else() {
    finds(&[], |run| {
        one(run, Was::InOutbox);
        run.state.dead_letters += 1;
    });
    finds(&[Violation::DeadLetters], |run| {
        a_year(run);
        let worked = run.state.old.iter().filter(|old| old.ends > 0).count();
        run.state.dead_letters += worked as u64 + 1;
    });
}

#[test]
fn old_work_fails_for_a_reason_which_is_told_for_ever() {
    finds(&[Violation::DeadLetters, Violation::WronglyFailed], |run| {
        let old = one(run, Was::InOutbox);
        old.row.status = "FAILED".into();
    });
    finds(&[Violation::WronglyFailed], |run| {
        let key = one(run, Was::Failed).row.content.key.clone();
        run.state.failures.remove(&key);
    });
}

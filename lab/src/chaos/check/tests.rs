//! The check finds each kind of violation when there is one, and nothing when there is none.

mod calls;

use std::time::Duration;

use super::{Bounds, DeadLetters, Findings, Row, State, Violation, check};
use crate::chaos::{
    downstream::Call,
    history::{By, Outcome, Request, Seen},
    webhook::{Variant, Webhooks},
};

const NEW: Outcome = Outcome::Accepted {
    duplicate: false,
    conflict: false,
};

/// A run as it should be: four webhooks, the last of which nobody got an answer for, one contradiction, one poison.
struct Run {
    webhooks: Webhooks,
    requests: Vec<Request>,
    seen: Vec<Seen>,
    state: State,
    bounds: Bounds,
}

impl Run {
    fn good() -> Self {
        let webhooks = Webhooks { run: "test".into() };
        let mut state = State {
            dead_letters: 1,
            calls: vec![call("test-3", 1, Some(2), Some(400))],
            failures: ["test-3".to_owned()].into(),
            ..State::default()
        };
        for number in 0..4 {
            state.rows.push(Row {
                content: webhooks.content(number, Variant::Original),
                status: if number == 3 { "FAILED" } else { "PROCESSED" }.into(),
                processed_at: (number != 3).then(|| format!("at {number}")),
                took: (number != 3).then_some(Duration::from_secs(1)),
            });
        }
        let contradiction = webhooks.content(1, Variant::Other);
        state.conflicts.insert(contradiction);
        let conflict = Outcome::Accepted {
            duplicate: true,
            conflict: true,
        };
        let repeat = Outcome::Accepted {
            duplicate: true,
            conflict: false,
        };
        let mut poison = request(5, Variant::Original, Outcome::Refused(422));
        poison.poison = true;
        Self {
            requests: vec![
                request(0, Variant::Original, NEW),
                request(0, Variant::Original, repeat),
                request(1, Variant::Original, NEW),
                request(1, Variant::Other, conflict),
                request(2, Variant::Original, Outcome::Later),
                request(3, Variant::Original, Outcome::Unknown),
                request(4, Variant::Original, Outcome::Left),
                poison,
            ],
            seen: vec![
                seen(0, By::Get, "PROCESSING", None),
                seen(0, By::Get, "PROCESSED", Some("2024")),
                seen(0, By::Get, "PROCESSED", Some("2024")),
                seen(1, By::Sql, "PROCESSED", Some("at 1")),
            ],
            webhooks,
            state,
            bounds: Bounds::NONE,
        }
    }

    fn findings(&self) -> Findings {
        let Self {
            webhooks,
            requests,
            seen,
            state,
            bounds,
        } = self;
        check(webhooks, requests, seen, state, bounds)
    }
}

fn request(number: u32, variant: Variant, outcome: Outcome) -> Request {
    Request {
        number,
        variant,
        poison: false,
        sent: Duration::ZERO,
        took: Duration::ZERO,
        outcome,
    }
}

fn seen(number: u32, by: By, status: &str, processed_at: Option<&str>) -> Seen {
    Seen {
        number,
        by,
        status: Some(status.into()),
        processed_at: processed_at.map(Into::into),
    }
}

/// The first attempt of a call, from so many seconds on until so many.
fn call(id: &str, began: u64, ended: Option<u64>, status: Option<u16>) -> Call {
    Call {
        key: format!("key of {id}"),
        transaction: Some(id.into()),
        attempt: Some("1".into()),
        began: Duration::from_secs(began),
        ended: ended.map(Duration::from_secs),
        status,
    }
}

#[test]
fn a_good_run_has_no_findings() {
    let findings = Run::good().findings();
    assert!(findings.examples.is_empty(), "{:?}", findings.examples);
}

/// Doctors a good run, and expects exactly these findings.
#[track_caller]
fn finds(expected: &[Violation], doctor: impl FnOnce(&mut Run)) {
    let mut run = Run::good();
    doctor(&mut run);
    let findings = run.findings();
    let found: Vec<Violation> = findings.counts.keys().copied().collect();
    assert_eq!(found, expected, "{:?}", findings.examples);
}

#[test]
fn a_202_without_its_row_is_lost() {
    finds(&[Violation::Lost], |run| {
        run.seen.clear();
        run.state.rows.remove(0);
    });
    finds(&[Violation::Lost], |run| {
        run.requests.push(request(9, Variant::Original, NEW));
    });
}

#[test]
fn a_row_with_another_content_is_altered() {
    finds(&[Violation::Altered], |run| {
        run.state.rows[2].content.amount = "7.0000".into();
    });
    // Two different contents that are both told to be the first.
    finds(&[Violation::Altered], |run| {
        run.requests.push(request(0, Variant::Other, NEW));
    });
}

#[test]
fn a_row_that_nobody_sent_is_unexpected() {
    let row = |run: &Run, number| Row {
        content: run.webhooks.content(number, Variant::Original),
        status: "PROCESSED".into(),
        processed_at: None,
        took: None,
    };
    finds(&[Violation::Unexpected], |run| {
        let row = row(run, 77);
        run.state.rows.push(row);
    });
    finds(&[Violation::Unexpected], |run| {
        let mut row = row(run, 77);
        row.content.transaction_id = "somebody".into();
        run.state.rows.push(row);
    });
    // The refused one's content never is a row.
    finds(&[Violation::Unexpected], |run| {
        let row = row(run, 5);
        run.state.rows.push(row);
    });
}

#[test]
fn a_row_that_is_not_final_is_stuck() {
    finds(&[Violation::Stuck], |run| {
        run.state.rows[2].status = "PROCESSING".into();
    });
}

#[test]
fn two_rows_of_one_id_are_duplicated() {
    finds(&[Violation::Duplicated], |run| {
        let row = run.state.rows[0].clone();
        run.state.rows.push(row);
    });
}

#[test]
fn what_was_final_and_is_not_any_more_has_regressed() {
    finds(&[Violation::Regressed], |run| {
        run.seen.push(seen(0, By::Get, "PROCESSING", None));
    });
    finds(&[Violation::Regressed], |run| {
        run.seen.push(seen(0, By::Get, "PROCESSED", Some("2025")));
    });
    finds(&[Violation::Regressed], |run| {
        run.state.rows[1].processed_at = Some("another time".into());
    });
    finds(&[Violation::Regressed, Violation::WronglyFailed], |run| {
        run.state.rows[0].status = "FAILED".into();
        run.state.dead_letters = 2;
    });
    finds(&[Violation::Regressed], |run| {
        run.seen[0].status = None;
    });
}

#[test]
fn what_the_trigger_has_noted_is_rewritten() {
    finds(&[Violation::Rewritten], |run| {
        run.state.rewrites.push("test-1".into());
    });
}

#[test]
fn what_is_left_behind_is_found() {
    finds(&[Violation::EarlyAck], |run| run.state.unguarded = 1);
    finds(&[Violation::OutboxLeft], |run| run.state.outbox = 1);
    finds(&[Violation::QueueLeft], |run| run.state.ready = 1);
    finds(&[Violation::DeadLetters], |run| run.state.dead_letters = 2);
    finds(&[Violation::DeadLetters], |run| run.state.dead_letters = 0);
    finds(&[], |run| {
        run.state.made = DeadLetters::Exactly(1);
        run.state.dead_letters = 2;
    });
    finds(&[], |run| {
        run.state.made = DeadLetters::Any;
        run.state.dead_letters = 9;
    });
    finds(&[Violation::IdleInTransaction], |run| {
        run.state.idle_in_transaction = 1;
    });
}

#[test]
fn senders_are_shut_out_if_none_of_them_gets_a_202_for_longer_than_is_promised() {
    let at = Duration::from_secs;
    let promise = |run: &mut Run| run.bounds.accepts_within = Some(at(10));
    let later = |number, sent, outcome| {
        let mut later = request(number, Variant::Original, outcome);
        later.sent = at(sent);
        later
    };
    finds(&[], promise);
    // Between two that were accepted, and after the last.
    for outcome in [NEW, Outcome::Later] {
        finds(&[Violation::ShutOut], |run| {
            promise(run);
            run.requests.push(later(2, 11, outcome.clone()));
        });
        finds(&[], |run| {
            promise(run);
            run.requests.push(later(2, 9, NEW));
            run.requests.push(later(2, 18, outcome));
        });
    }
}

#[test]
fn a_contradiction_that_is_not_kept_is_lost() {
    finds(&[Violation::ConflictLost], |run| {
        run.state.conflicts.clear();
    });
}

#[test]
fn an_answer_that_the_contract_does_not_know_is_wrong() {
    for outcome in [Outcome::Wrong("500".into()), Outcome::Refused(422)] {
        finds(&[Violation::WrongAnswer], |run| {
            run.requests.push(request(2, Variant::Original, outcome));
        });
    }
    finds(&[Violation::WrongAnswer], |run| {
        run.requests[7].outcome = NEW;
    });
}

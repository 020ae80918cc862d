//! The check finds each kind of violation when there is one, and nothing when there is none.

mod calls;
mod old;
mod operated;

use std::time::Duration;

use super::{Bounds, DeadLetters, Findings, Row, State, Violation, check};
use crate::chaos::{
    downstream::Call,
    history::{By, Outcome, Request, Seen, Told},
    webhook::{Said, Variant, Webhooks},
};

const NEW: Outcome = Outcome::Accepted(Some(Told {
    duplicate: false,
    conflict: false,
}));
/// All that a signed sender is told.
const TAKEN: Outcome = Outcome::Accepted(None);

/// A run as it should be: four webhooks, the last of which is signed, two contradictions, one poison, one forgery.
struct Run {
    webhooks: Webhooks,
    requests: Vec<Request>,
    seen: Vec<Seen>,
    state: State,
    bounds: Bounds,
}

impl Run {
    fn good() -> Self {
        let webhooks = Webhooks::new("test");
        let mut state = State {
            dead_letters: 1,
            calls: vec![call("stripe:test-2", 1, Some(2), Some(400))],
            failures: ["stripe:test-2".to_owned()].into(),
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
        for number in [1, 3] {
            let contradiction = webhooks.content(number, Variant::Other);
            state.conflicts.insert(contradiction);
        }
        let again = |conflict| {
            let duplicate = true;
            Outcome::Accepted(Some(Told {
                duplicate,
                conflict,
            }))
        };
        let poison = |number, status| Request {
            poison: true,
            ..request(number, Variant::Original, Outcome::Refused(status))
        };
        Self {
            requests: vec![
                request(0, Variant::Original, NEW),
                request(0, Variant::Original, again(false)),
                request(1, Variant::Original, NEW),
                request(1, Variant::Other, again(true)),
                request(2, Variant::Original, Outcome::Later),
                request(3, Variant::Original, Outcome::Unknown),
                request(3, Variant::Original, TAKEN),
                request(3, Variant::Other, TAKEN),
                request(4, Variant::Original, Outcome::Left),
                poison(5, 422),
                poison(3, 401),
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
    let webhooks = Webhooks::new("test");
    let said = webhooks.number(id);
    let said = said.map(|number| webhooks.content(number, Variant::Original).said);
    Call {
        key: id.into(),
        transaction: Some(id.into()),
        bytes: Some(match said {
            Some(Said::Event { bytes, .. }) => bytes,
            _ => 0,
        }),
        attempt: Some("1".into()),
        replay: false,
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
    let alter = |run: &mut Run, row: usize| {
        run.state.rows[row].content.said = Said::Event {
            kind: "charge.succeeded".into(),
            bytes: 0,
        };
    };
    finds(&[Violation::Altered], |run| alter(run, 2));
    // What a signed sender was told says nothing of the content, but all contents that it sent are there, and the call
    // brought one of them.
    finds(
        &[
            Violation::Altered,
            Violation::Misdelivered,
            Violation::ConflictLost,
        ],
        |run| alter(run, 3),
    );
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
        row.content.key = "somebody".into();
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
    finds(&[Violation::Strayed], |run| run.state.strays = 1);
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
    for number in [1, 3] {
        finds(&[Violation::ConflictLost], |run| {
            let contradiction = run.webhooks.content(number, Variant::Other);
            run.state.conflicts.remove(&contradiction);
        });
    }
}

#[test]
fn an_answer_that_the_contract_does_not_know_is_wrong() {
    for outcome in [Outcome::Wrong("500".into()), Outcome::Refused(422)] {
        finds(&[Violation::WrongAnswer], |run| {
            run.requests.push(request(2, Variant::Original, outcome));
        });
    }
    for outcome in [NEW, TAKEN] {
        finds(&[Violation::WrongAnswer], |run| {
            run.requests[9].outcome = outcome;
        });
    }
    finds(&[Violation::WrongAnswer], |run| {
        run.requests[10].outcome = Outcome::Refused(422);
    });
}

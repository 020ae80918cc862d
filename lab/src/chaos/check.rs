//! The check, as Jepsen does it: what was promised, against what is there once everything is quiet.

mod bounds;
pub(super) mod calls;
mod findings;
mod old;
mod operated;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::{
    bounds::{Bounds, longest_refusal, slowest},
    calls::{overlaps, refused, repeats},
    findings::{Findings, Violation},
    state::{DeadLetters, Old, Row, State},
};
use self::{
    calls::{brushed_off, misdelivered, unexplained},
    operated::operated,
};
use super::{
    history::{By, Outcome, Request, Seen},
    webhook::{Variant, Webhooks},
};

/// Compares what was `requested` and `seen` with the final `state`.
pub(super) fn check(
    webhooks: &Webhooks,
    requested: &[Request],
    seen: &[Seen],
    state: &State,
    bounds: &Bounds,
) -> Findings {
    let mut findings = Findings::default();
    let rows = index(webhooks, state, &mut findings);
    check_answers(webhooks, requested, &rows, state, &mut findings);
    check_rows(webhooks, requested, &rows, &mut findings);
    check_seen(webhooks, seen, &rows, state, &mut findings);
    old::check(state, &mut findings);
    operated::check(state, &mut findings);
    check_failed(state, bounds, &mut findings);
    bounds.check(requested, state, &mut findings);
    check_calls(state, bounds, &mut findings);
    for (violation, count, what) in [
        (Violation::OutboxLeft, state.outbox, "entries are left"),
        (Violation::QueueLeft, state.ready, "messages are left"),
        (
            Violation::EarlyAck,
            state.unguarded,
            "PROCESSING without an outbox entry",
        ),
        (
            Violation::Strayed,
            state.strays,
            "keys, rows or bytes are alone",
        ),
        (
            Violation::IdleInTransaction,
            state.idle_in_transaction,
            "sessions",
        ),
    ] {
        findings.add(violation, count, what);
    }
    for rewrite in &state.rewrites {
        findings.note(Violation::Rewritten, rewrite);
    }
    if let DeadLetters::Exactly(made) = state.made {
        // A message for each failure; and what was left of what was given up.
        let operated = operated(state);
        let of_operator = state
            .failed_rows()
            .filter(|row| operated.contains(&row.content.key))
            .count() as u64;
        let (least, most) = (made + state.failed() - of_operator, made + state.failed());
        // What comes twice may come when retention has deleted what it is about.
        let gone = |old: &&Old| old.ends > 0 && !old.is_there;
        let gone = state.old.iter().filter(gone).count() as u64;
        let more = state.reopened.values().sum::<u64>() + state.acts.given_up.len() as u64 + gone;
        let count = state.dead_letters;
        let right = count.clamp(least, most + more);
        let what = format!("{count}, and {right} would be right");
        findings.add(Violation::DeadLetters, count.abs_diff(right), what);
    }
    findings
}

/// The rows by their webhooks' numbers; notes those that have none, and those that are there twice.
fn index<'a>(
    webhooks: &Webhooks,
    state: &'a State,
    findings: &mut Findings,
) -> BTreeMap<u32, &'a Row> {
    let mut rows = BTreeMap::new();
    for row in state.all_rows() {
        let id = &row.content.key;
        match webhooks.number(id) {
            None => findings.note(Violation::Unexpected, id),
            Some(number) => {
                if rows.insert(number, row).is_some() {
                    findings.note(Violation::Duplicated, id);
                }
            }
        }
    }
    rows
}

/// Every answer was one of the contract's, and what it promised is there.
fn check_answers(
    webhooks: &Webhooks,
    requested: &[Request],
    rows: &BTreeMap<u32, &Row>,
    state: &State,
    findings: &mut Findings,
) {
    for request in requested {
        let id = webhooks.key(request.number);
        let is_signed = Webhooks::is_signed(request.number);
        match (&request.outcome, request.poison) {
            (Outcome::Wrong(answer), _) => findings.note(Violation::WrongAnswer, answer),
            (Outcome::Accepted(_), true) => {
                findings.note(
                    Violation::WrongAnswer,
                    format!("poison beside {id}: accepted"),
                );
            }
            (Outcome::Refused(status), true) if is_signed && !matches!(status, 401 | 408) => {
                findings.note(Violation::WrongAnswer, format!("{id}, forged: {status}"));
            }
            // A body that came too slowly is refused in good order.
            (Outcome::Refused(status), false) if *status != 408 => {
                findings.note(Violation::WrongAnswer, format!("{id}: {status}"));
            }
            (Outcome::Accepted(told), false) => {
                let content = webhooks.content(request.number, request.variant);
                let Some(row) = rows.get(&request.number) else {
                    findings.note(Violation::Lost, format!("{id}, sent at {:?}", request.sent));
                    continue;
                };
                let stands = row.content == content;
                if Webhooks::is_old(request.number) && told.is_some_and(|told| !told.duplicate) {
                    findings.note(Violation::Forgotten, format!("{id} was taken for new"));
                }
                let conflict = told.map_or(!stands, |told| told.conflict);
                if stands == conflict {
                    let said = if conflict { "another" } else { "this" };
                    let what = format!("{content:?} was answered as if {said} stood; {row:?}");
                    findings.note(Violation::Altered, what);
                }
                if conflict && !state.conflicts.contains(&content) {
                    findings.note(Violation::ConflictLost, id);
                }
            }
            _ => {}
        }
    }
}

/// Every row of the run was sent as it stands, and is final.
fn check_rows(
    webhooks: &Webhooks,
    requested: &[Request],
    rows: &BTreeMap<u32, &Row>,
    findings: &mut Findings,
) {
    let sent: BTreeSet<(u32, bool)> = requested
        .iter()
        .filter(|request| !request.poison)
        .map(|request| (request.number, request.variant == Variant::Original))
        .collect();
    let new = rows
        .iter()
        .filter(|(number, _)| !Webhooks::is_old(**number));
    for (number, row) in new {
        let is_original = row.content == webhooks.content(*number, Variant::Original);
        let is_other = row.content == webhooks.content(*number, Variant::Other);
        let id = &row.content.key;
        if !is_original && !is_other {
            findings.note(Violation::Altered, format!("{row:?}"));
        } else if !sent.contains(&(*number, is_original)) {
            findings.note(Violation::Unexpected, id);
        }
        if !row.is_final() {
            findings.note(Violation::Stuck, id);
        }
    }
}

/// No two calls of one key at once, and none again without a reason that can be seen; each with what belongs to it.
fn check_calls(state: &State, bounds: &Bounds, findings: &mut Findings) {
    for what in misdelivered(&state.calls, state.all_rows()) {
        findings.note(Violation::Misdelivered, what);
    }
    if !bounds.may_overlap {
        let what = "runs of one id overlapped";
        findings.add(Violation::Overlap, overlaps(&state.calls), what);
    }
    if state.lost_leases == 0 {
        let unexplained = unexplained(&state.calls, &state.deaths);
        let what = "calls that nothing explains";
        findings.add(Violation::Repeated, unexplained, what);
    }
}

/// What downstream refused has failed, and nothing else but a few that it refused for a moment; and it is told why.
fn check_failed<'a>(state: &'a State, bounds: &Bounds, findings: &mut Findings) {
    let keys = |row: &'a Row| &row.content.key;
    let all = state.all_rows().filter(|row| row.status == "FAILED");
    let all: BTreeSet<&String> = all.map(keys).collect();
    let failed: BTreeSet<&String> = state.failed_rows().map(keys).collect();
    let (refused, brushed_off) = (refused(&state.calls), brushed_off(&state.calls));
    let mut refused: BTreeSet<&String> = refused.iter().collect();
    let told: BTreeSet<&String> = state.failures.iter().collect();
    let brushed_off = failed.iter().filter(|id| brushed_off.contains(**id));
    refused.extend(brushed_off.take(bounds.brushed_off_max));
    let operated = operated(state);
    for id in failed
        .symmetric_difference(&refused)
        .filter(|id| !operated.contains(**id))
    {
        let what = match refused.contains(id) {
            true => "was refused and has not failed",
            false => "has failed and was not refused",
        };
        findings.note(Violation::WronglyFailed, format!("{id} {what}"));
    }
    // Why something failed is told for ever.
    for id in all.symmetric_difference(&told) {
        let what = format!(
            "{id}: failed {}, told why {}",
            all.contains(id),
            told.contains(id)
        );
        findings.note(Violation::WronglyFailed, what);
    }
}

/// What was seen once as final was never seen otherwise, and stands so now; what was there stayed there.
fn check_seen(
    webhooks: &Webhooks,
    seen: &[Seen],
    rows: &BTreeMap<u32, &Row>,
    state: &State,
    findings: &mut Findings,
) {
    let is_reopened = |number| state.reopened.contains_key(&webhooks.key(number));
    let mut finals: BTreeMap<(u32, By), (&String, &Option<String>)> = BTreeMap::new();
    for look in seen {
        let number = look.number;
        let last = finals.get(&(number, look.by));
        match (&look.status, last) {
            (None, _) => {
                let what = format!("{number} was accepted and not found by {:?}", look.by);
                findings.note(Violation::Regressed, what);
            }
            (Some(status), Some(last)) if *last != (status, &look.processed_at) => {
                findings.note(
                    Violation::Regressed,
                    format!("{number}: {last:?}, then {look:?}"),
                );
            }
            // An operator may have taken it from there.
            (Some(status), None) if status == "FAILED" && is_reopened(number) => {}
            (Some(status), None) if status != "PROCESSING" => {
                finals.insert((number, look.by), (status, &look.processed_at));
            }
            _ => {}
        }
    }
    for ((number, by), (status, processed_at)) in finals {
        let stands = rows.get(&number).is_some_and(|row| {
            row.status == *status && (by == By::Get || row.processed_at == *processed_at)
        });
        if !stands {
            let what = format!(
                "{number} was seen {status}, and is now {:?}",
                rows.get(&number)
            );
            findings.note(Violation::Regressed, what);
        }
    }
}

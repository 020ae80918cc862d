//! The check, as Jepsen does it: what was promised, against what is there once everything is quiet.

mod bounds;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(super) use self::bounds::{Bounds, longest_refusal, slowest};
use super::{
    history::{By, Outcome, Request, Seen},
    webhook::{Content, Variant, Webhooks},
};

/// How many examples of each violation are kept.
const EXAMPLES: usize = 5;

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Violation {
    /// A 202 without its row.
    Lost,
    /// A row with another content than the answers had promised.
    Altered,
    /// A row that nobody asked for.
    Unexpected,
    /// A row that is not final though everything is quiet.
    Stuck,
    /// A second row of one id.
    Duplicated,
    /// Something that was final, or there, and later was not.
    Regressed,
    /// A final row that was written once more.
    Rewritten,
    /// A row that is `PROCESSING` with nothing in the outbox that would bring it back.
    EarlyAck,
    /// An outbox entry that outlived its transaction.
    OutboxLeft,
    /// A message that is still in the queue.
    QueueLeft,
    /// More, or fewer, dead letters than the fault has made.
    DeadLetters,
    /// A contradiction that was confirmed and not kept.
    ConflictLost,
    /// An answer that the contract does not know.
    WrongAnswer,
    /// Two runs of one id at the same time while both of their processes were alive.
    Overlap,
    /// A session of the service that sits in an open transaction.
    IdleInTransaction,
    /// A panic in a log.
    Panic,
    /// A process that did not stop in good order when it was asked to.
    BadExit,
    /// A `FAILED` that the far side gave no cause for, or not noted with its reason; or a refusal that did not become one.
    WronglyFailed,
    /// A call that was made though the one before had succeeded, and nobody had died or lost its lease in between.
    Repeated,
    /// Final later than those may be who have nothing to do with the fault, or whom others could have helped.
    Late,
    /// No 202 for longer than the fault explains.
    ShutOut,
    /// An attempt that was charged to a transaction though it was not its fault.
    Spent,
}

impl Violation {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }
}

/// Everything that was found, with a few examples of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    counts: BTreeMap<Violation, u64>,
    pub(super) examples: Vec<String>,
}

impl Findings {
    pub(super) fn note(&mut self, violation: Violation, example: impl Into<String>) {
        self.add(violation, 1, example);
    }

    pub(super) fn add(&mut self, violation: Violation, count: u64, example: impl Into<String>) {
        if count == 0 {
            return;
        }
        let noted = self.counts.entry(violation).or_default();
        if *noted < EXAMPLES as u64 {
            self.examples
                .push(format!("{violation:?}: {}", example.into()));
        }
        *noted += count;
    }

    pub(super) fn count(&self, violation: Violation) -> u64 {
        self.counts.get(&violation).copied().unwrap_or(0)
    }

    /// Every violation with its count, those that were not found too.
    pub(super) fn all(&self) -> BTreeMap<Violation, u64> {
        let all = Violation::all();
        all.map(|violation| (violation, self.count(violation)))
            .collect()
    }
}

/// A row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) content: Content,
    pub(super) status: String,
    pub(super) processed_at: Option<String>,
    /// From its commit until it was processed, by the database's clock.
    pub(super) took: Option<Duration>,
}

impl Row {
    fn is_final(&self) -> bool {
        self.status != "PROCESSING"
    }
}

/// What is there at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) rows: Vec<Row>,
    pub(super) conflicts: BTreeSet<Content>,
    pub(super) outbox: u64,
    /// The most rows that were ever found `PROCESSING` without an outbox entry, in one look.
    pub(super) unguarded: u64,
    /// What the trigger on the table has noted: final rows written or deleted, contents changed.
    pub(super) rewrites: Vec<String>,
    pub(super) ready: u64,
    pub(super) dead_letters: u64,
    pub(super) idle_in_transaction: u64,
    /// The transactions that the far side refused for good.
    pub(super) refused: BTreeSet<String>,
    /// Those that it refused for a moment only, as during a deployment.
    pub(super) brushed_off: BTreeSet<String>,
    /// Those that it answered with an error of its own.
    pub(super) sick: BTreeSet<String>,
    /// Those that were called as for an attempt after the first.
    pub(super) again: BTreeSet<String>,
    /// The transactions of which it is told why they have failed.
    pub(super) failures: BTreeSet<String>,
}

impl State {
    /// How many have failed for good.
    pub(super) fn failed(&self) -> u64 {
        let failed = self.rows.iter().filter(|row| row.status == "FAILED");
        failed.count() as u64
    }
}

/// How many dead letters are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeadLetters {
    Exactly(u64),
    /// Where the fault lets the broker itself give messages up.
    Any,
}

/// Compares what was `requested` and `seen` with the final `state`.
pub(super) fn check(
    webhooks: &Webhooks,
    requested: &[Request],
    seen: &[Seen],
    state: &State,
    dead_letters: DeadLetters,
    bounds: &Bounds,
) -> Findings {
    let mut findings = Findings::default();
    let rows = index(webhooks, state, &mut findings);
    check_answers(webhooks, requested, &rows, state, &mut findings);
    check_rows(webhooks, requested, &rows, &mut findings);
    check_seen(seen, &rows, &mut findings);
    check_failed(state, bounds, &mut findings);
    bounds.check(requested, state, &mut findings);
    findings.add(Violation::OutboxLeft, state.outbox, "entries are left");
    findings.add(Violation::QueueLeft, state.ready, "messages are left");
    findings.add(
        Violation::EarlyAck,
        state.unguarded,
        "PROCESSING without an outbox entry",
    );
    findings.add(
        Violation::IdleInTransaction,
        state.idle_in_transaction,
        "sessions",
    );
    for rewrite in &state.rewrites {
        findings.note(Violation::Rewritten, rewrite);
    }
    if let DeadLetters::Exactly(right) = dead_letters {
        let count = state.dead_letters;
        findings.add(
            Violation::DeadLetters,
            count.abs_diff(right),
            format!("{count}, and {right} would be right"),
        );
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
    for row in &state.rows {
        let id = &row.content.transaction_id;
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
        let id = webhooks.id(request.number);
        match (&request.outcome, request.poison) {
            (Outcome::Wrong(answer), _) => findings.note(Violation::WrongAnswer, answer),
            (Outcome::Accepted { .. }, true) => {
                findings.note(Violation::WrongAnswer, format!("poison beside {id}: 202"));
            }
            // A body that came too slowly is refused in good order.
            (Outcome::Refused(status), false) if *status != 408 => {
                findings.note(Violation::WrongAnswer, format!("{id}: {status}"));
            }
            (Outcome::Accepted { conflict, .. }, false) => {
                let content = webhooks.content(request.number, request.variant);
                let Some(row) = rows.get(&request.number) else {
                    findings.note(Violation::Lost, format!("{id}, sent at {:?}", request.sent));
                    continue;
                };
                if (row.content == content) == *conflict {
                    let said = if *conflict { "another" } else { "this" };
                    let what = format!("{content:?} was answered as if {said} stood; {row:?}");
                    findings.note(Violation::Altered, what);
                }
                if *conflict && !state.conflicts.contains(&content) {
                    findings.note(Violation::ConflictLost, id);
                }
            }
            _ => {}
        }
    }
}

/// Every row was sent as it stands, and is final.
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
    for (number, row) in rows {
        let is_original = row.content == webhooks.content(*number, Variant::Original);
        let is_other = row.content == webhooks.content(*number, Variant::Other);
        let id = &row.content.transaction_id;
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

/// What the far side refused has failed, and nothing else but a few that it refused for a moment; and it is told why.
fn check_failed(state: &State, bounds: &Bounds, findings: &mut Findings) {
    let failed = state.rows.iter().filter(|row| row.status == "FAILED");
    let failed: BTreeSet<&String> = failed.map(|row| &row.content.transaction_id).collect();
    let mut refused: BTreeSet<&String> = state.refused.iter().collect();
    let told: BTreeSet<&String> = state.failures.iter().collect();
    let brushed_off = failed.iter().filter(|id| state.brushed_off.contains(**id));
    refused.extend(brushed_off.take(bounds.brushed_off_max));
    for id in failed.symmetric_difference(&refused) {
        let what = match refused.contains(id) {
            true => "was refused and has not failed",
            false => "has failed and was not refused",
        };
        findings.note(Violation::WronglyFailed, format!("{id} {what}"));
    }
    for id in failed.symmetric_difference(&told) {
        let what = format!(
            "{id}: failed {}, told why {}",
            failed.contains(id),
            told.contains(id)
        );
        findings.note(Violation::WronglyFailed, what);
    }
}

/// What was seen once as final was never seen otherwise, and stands so now; what was there stayed there.
fn check_seen(seen: &[Seen], rows: &BTreeMap<u32, &Row>, findings: &mut Findings) {
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

//! What was there before the run: its work ended before it was deleted, all of it is deleted by now, and its ids are known.

use super::{
    findings::{Findings, Violation},
    state::{Old, State},
};

pub(super) fn check(state: &State, findings: &mut Findings) {
    for old in &state.old {
        let id = &old.row.content.key;
        if !old.is_known {
            findings.note(Violation::Forgotten, id);
        }
        ended(old, state, findings);
    }
    let what = "rows or partitions are left of what is old";
    findings.add(Violation::Kept, state.left_of_the_past, what);
}

/// Work that was unfinished, and work that an operator has begun anew, has ended once.
fn ended(old: &Old, state: &State, findings: &mut Findings) {
    let id = &old.row.content.key;
    let reopened = state.reopened.get(id).copied().unwrap_or(0);
    let right = reopened + u64::from(old.was.is_unfinished());
    let what = format!(
        "{id}: its work has ended {} times, and {right} would be right",
        old.ends
    );
    if old.ends > right {
        findings.note(Violation::Rewritten, what);
    } else if old.ends < right && !old.is_there {
        findings.note(Violation::Lost, format!("deleted before its end: {what}"));
    } else if old.ends < right {
        findings.note(Violation::Stuck, what);
    }
}

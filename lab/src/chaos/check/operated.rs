//! What an operator has asked for was done, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    findings::{Findings, Violation},
    state::State,
};
use crate::chaos::downstream::Call;

/// The transactions that an operator may have reopened or given up: their end need not be what downstream answered first.
pub(super) fn operated(state: &State) -> BTreeSet<&String> {
    let reopened = state.reopened.keys();
    reopened.chain(&state.acts.given_up).collect()
}

/// Every reopening was asked for, and every one that was confirmed is there; calls are marked as replays where, and only
/// where, one was asked for.
pub(super) fn check(state: &State, findings: &mut Findings) {
    let acts = &state.acts;
    for (key, count) in &state.reopened {
        let most = acts.retried.get(key).map_or(0, |times| times.at_most()) + acts.bulks;
        if *count > most {
            let what = format!("{key} was reopened {count} times, and {most} would be right");
            findings.note(Violation::Misoperated, what);
        }
    }
    for (key, times) in &acts.retried {
        let count = state.reopened.get(key).copied().unwrap_or(0);
        if count < times.surely {
            let what = format!("{key} was reopened {count} times of {times:?}");
            findings.note(Violation::Misoperated, what);
        }
    }
    let mut marked: BTreeMap<&String, u64> = BTreeMap::new();
    for call in state.calls.iter().filter(|call| call.replay) {
        *marked.entry(&call.key).or_default() += 1;
    }
    for key in marked.keys() {
        let is_asked_for = acts
            .replayed
            .get(*key)
            .is_some_and(|times| times.at_most() > 0);
        if !is_asked_for {
            findings.note(
                Violation::Misoperated,
                format!("{key}: a replay that nobody wanted"),
            );
        }
    }
    if !state.calls.is_empty() {
        for (key, times) in &acts.replayed {
            let made = marked.get(key).copied().unwrap_or(0);
            if made < times.surely && !acts.given_up.contains(key) {
                let what = format!("{key} was called {made} times for {times:?}");
                findings.note(Violation::Misoperated, what);
            }
        }
    }
    for key in successes_beyond(state, &state.calls) {
        findings.note(
            Violation::Misoperated,
            format!("{key}: more replays than were wanted"),
        );
    }
}

/// Replays that succeeded more often than they were asked for, where nobody died who could have known.
fn successes_beyond(state: &State, calls: &[Call]) -> Vec<String> {
    if !state.deaths.is_empty() || state.lost_leases > 0 {
        return Vec::new();
    }
    let mut successes: BTreeMap<&String, u64> = BTreeMap::new();
    let is_success = |call: &&Call| call.replay && call.status.is_some_and(|status| status < 300);
    for call in calls.iter().filter(is_success) {
        *successes.entry(&call.key).or_default() += 1;
    }
    let wanted = |key: &String| {
        let times = state.acts.replayed.get(key);
        times.map_or(0, |times| times.at_most())
    };
    let beyond = successes
        .into_iter()
        .filter(|(key, made)| *made > wanted(key));
    beyond.map(|(key, _)| key.clone()).collect()
}

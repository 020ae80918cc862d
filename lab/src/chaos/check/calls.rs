//! What the calls of downstream say, one by one and those of one key together.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::state::Row;
use crate::chaos::{
    downstream::{Call, REFUSED},
    webhook::Said,
};

/// The calls of each key, in the order in which they began.
fn by_key(calls: &[Call]) -> impl Iterator<Item = Vec<&Call>> {
    let mut by_key: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_key.entry(&call.key).or_default().push(call);
    }
    by_key.into_values().map(|mut calls| {
        calls.sort_by_key(|call| call.began);
        calls
    })
}

/// How often a call of one key began before an earlier one of the same key had ended.
pub(crate) fn overlaps(calls: &[Call]) -> u64 {
    let mut overlaps = 0;
    for calls in by_key(calls) {
        let mut busy_until = Duration::ZERO;
        for call in calls {
            overlaps += u64::from(call.began < busy_until);
            busy_until = busy_until.max(call.ended.unwrap_or(Duration::MAX));
        }
    }
    overlaps
}

/// How many calls were not the first of their key.
pub(crate) fn repeats(calls: &[Call]) -> u64 {
    let keys: BTreeSet<&str> = calls.iter().map(|call| call.key.as_str()).collect();
    (calls.len() - keys.len()) as u64
}

/// The transactions that were refused for good. A refusal of a replay leaves its transaction as it is.
pub(crate) fn refused(calls: &[Call]) -> BTreeSet<String> {
    named(calls, |call| !call.replay && call.status == Some(REFUSED))
}

/// The transactions that were refused for a moment.
pub(crate) fn brushed_off(calls: &[Call]) -> BTreeSet<String> {
    let for_a_moment = |status| (400..500).contains(&status) && status != REFUSED && status != 429;
    named(calls, |call| call.status.is_some_and(for_a_moment))
}

/// The transactions that were answered with an error of downstream's own.
pub(crate) fn sick(calls: &[Call]) -> BTreeSet<String> {
    named(calls, |call| call.status == Some(500))
}

/// The transactions that were called as for an attempt after the first, other than for a replay.
pub(crate) fn again(calls: &[Call]) -> BTreeSet<String> {
    named(calls, |call| {
        !call.replay && call.attempt.as_deref() != Some("1")
    })
}

/// The transactions of which one call is such a one.
fn named(calls: &[Call], is: impl Fn(&Call) -> bool) -> BTreeSet<String> {
    let such = calls.iter().filter(|call| is(call));
    let name = |call: &Call| call.transaction.clone().unwrap_or_else(|| call.key.clone());
    such.map(name).collect()
}

/// The calls whose key is not that of the transaction that they name, or that bring other bytes than its event has.
pub(super) fn misdelivered<'a>(calls: &[Call], rows: impl Iterator<Item = &'a Row>) -> Vec<String> {
    let rows = rows.map(|row| (&row.content.key, &row.content.said));
    let said: BTreeMap<&String, &Said> = rows.collect();
    let is_right = |call: &&Call| {
        let said = call.transaction.as_ref().and_then(|key| said.get(key));
        let is_its_own = call.transaction.as_ref() == Some(&call.key);
        match (call.bytes, said) {
            // It broke off.
            (None, _) => true,
            (Some(_), Some(Said::Payment(_))) => is_its_own,
            (Some(came), Some(Said::Event { bytes, .. })) => is_its_own && came == *bytes,
            (Some(_), None) => false,
        }
    };
    let wrong = calls.iter().filter(|call| !is_right(call));
    wrong.map(|call| format!("{call:?}")).collect()
}

/// How many calls were made though the one before had succeeded, with nobody dead in between who could have known. Replays are
/// another matter.
pub(crate) fn unexplained(calls: &[Call], deaths: &[Duration]) -> u64 {
    let mut unexplained = 0;
    for calls in by_key(calls) {
        for pair in calls.windows(2) {
            let succeeded = pair[0].status.is_some_and(|status| status < 300);
            let died = deaths
                .iter()
                .any(|at| (pair[0].began..=pair[1].began).contains(at));
            unexplained += u64::from(succeeded && !died && !pair[1].replay);
        }
    }
    unexplained
}

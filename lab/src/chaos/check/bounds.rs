//! What a fault may cost those that it does not hit, and for how long it may cost everybody: what is checked of speed.

use std::time::Duration;

use super::{
    calls::{again, sick},
    findings::{Findings, Violation},
    state::{Row, State},
};
use crate::chaos::history::Request;

/// What is promised under a fault beyond what is promised under each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// How long a transaction may take from its commit to its end, unless downstream itself failed it.
    pub(crate) final_within: Option<Duration>,
    /// Whether the fault itself times what is in flight when it strikes.
    pub(crate) times_itself: bool,
    /// How long all senders together may go without a 202.
    pub(crate) accepts_within: Option<Duration>,
    /// How many transactions may fail for good because downstream refused them for a moment.
    pub(crate) brushed_off_max: usize,
    /// Whether no transaction may be at a later attempt than its first.
    pub(crate) first_attempts_only: bool,
    /// Whether two runs of one id may overlap, because one of the two processes could not know that it had been given
    /// up.
    pub(crate) may_overlap: bool,
}

impl Bounds {
    /// Nothing is promised about speed.
    pub(crate) const NONE: Self = Self {
        final_within: None,
        times_itself: false,
        accepts_within: None,
        brushed_off_max: 0,
        first_attempts_only: false,
        may_overlap: false,
    };

    /// Whether an operator who retries and pauses would spoil it.
    pub(crate) fn forbids_acts(&self) -> bool {
        self.final_within.is_some()
            || self.times_itself
            || self.brushed_off_max > 0
            || self.first_attempts_only
    }

    pub(super) fn check(&self, requested: &[Request], state: &State, findings: &mut Findings) {
        if let Some(within) = self.final_within {
            for row in healthy(state).filter(|row| row.took.is_some_and(|took| took > within)) {
                let id = &row.content.key;
                let what = format!("{id} took {:?}, and {within:?} is right", row.took);
                findings.note(Violation::Late, what);
            }
        }
        if let Some(within) = self.accepts_within {
            let longest = longest_refusal(requested);
            if longest > within {
                let what = format!("no 202 for {longest:?}, and {within:?} is right");
                findings.note(Violation::ShutOut, what);
            }
        }
        if self.first_attempts_only {
            for id in again(&state.calls) {
                findings.note(Violation::Spent, format!("{id} was called again"));
            }
        }
    }
}

/// Those that downstream did not fail.
fn healthy(state: &State) -> impl Iterator<Item = &Row> {
    let sick = sick(&state.calls);
    let rows = state.rows.iter();
    rows.filter(move |row| !sick.contains(&row.content.key))
}

/// The longest that one of those took.
pub(crate) fn slowest(state: &State) -> Option<Duration> {
    healthy(state).filter_map(|row| row.took).max()
}

/// The longest time in which nobody got a 202, while somebody asked for one.
pub(crate) fn longest_refusal(requested: &[Request]) -> Duration {
    let accepted = requested.iter().filter(|one| one.outcome.is_accepted());
    let mut accepted: Vec<Duration> = accepted.map(|one| one.sent + one.took).collect();
    let sent = requested.iter().map(|one| one.sent);
    let (Some(first), Some(last)) = (sent.clone().min(), sent.max()) else {
        return Duration::ZERO;
    };
    accepted.push(first);
    accepted.push(last);
    accepted.sort_unstable();
    let gaps = accepted.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

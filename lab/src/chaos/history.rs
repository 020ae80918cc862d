//! What was sent and what came back, with times: all that the check may rely on.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{locked::locked, webhook::Variant};

/// One request, whatever became of it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) number: u32,
    pub(super) variant: Variant,
    /// Whether it is one that must be refused.
    pub(super) poison: bool,
    /// Since the run began.
    pub(super) sent: Duration,
    /// From there to the answer, or to where the client gave up.
    pub(super) took: Duration,
    pub(super) outcome: Outcome,
}

/// What a sender knows afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 202, with what it told; a signed sender is told nothing more than 200.
    Accepted(Option<Told>),
    /// 503 as the contract has it.
    Later,
    /// 4xx as the contract has it.
    Refused(u16),
    /// An answer that the contract does not know.
    Wrong(String),
    /// No answer: it may have been committed, or not.
    Unknown,
    /// The client left on purpose before the answer: it may have been committed, or not.
    Left,
}

/// What was known of an accepted webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) duplicate: bool,
    pub(super) conflict: bool,
}

impl Outcome {
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }
}

/// What somebody saw of a transaction while the run went on, or after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) number: u32,
    pub(super) by: By,
    /// `None` if there was no such transaction.
    pub(super) status: Option<String>,
    pub(super) processed_at: Option<String>,
}

/// How somebody looked. Times are written in other ways by the two, so they are never compared across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Get,
    Sql,
}

/// Everything that was recorded, in the order in which it ended.
#[derive(Default)]
pub(super) struct History {
    requests: Mutex<Vec<Request>>,
    seen: Mutex<Vec<Seen>>,
    behind_ms: AtomicU64,
}

impl History {
    pub(super) fn record(&self, request: Request) {
        locked(&self.requests).push(request);
    }

    pub(super) fn see(&self, seen: impl IntoIterator<Item = Seen>) {
        locked(&self.seen).extend(seen);
    }

    /// A sender woke so much later than it wanted.
    pub(super) fn woke_late(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.behind_ms.fetch_max(by, Ordering::Relaxed);
    }

    /// How late the latest was: more than a moment means that the machine had no time for the harness itself.
    pub(super) fn behind_ms(&self) -> u64 {
        self.behind_ms.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        locked(&self.requests).clone()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        locked(&self.seen).clone()
    }

    /// A webhook that was answered with 202, picked by `pick`.
    pub(super) fn some_accepted(&self, pick: usize) -> Option<u32> {
        let requests = locked(&self.requests);
        let from = pick % requests.len().max(1);
        let turned = requests[from..].iter().chain(&requests[..from]);
        let mut accepted = turned.filter(|request| request.outcome.is_accepted());
        accepted.next().map(|request| request.number)
    }
}

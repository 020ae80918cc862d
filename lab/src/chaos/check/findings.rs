//! What must never be, and how often it was all the same.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How many examples of each violation are kept.
const EXAMPLES: usize = 5;

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Violation {
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
    /// A key without its row, or a row without its key; an event's bytes likewise.
    Strayed,
    /// A call with another key than its transaction's, for one that is not there, or with other bytes than its event has.
    Misdelivered,
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
    /// A `FAILED` that downstream gave no cause for, or not noted with its reason; or a refusal that did not become one.
    WronglyFailed,
    /// A call that was made though the one before had succeeded, and nobody had died or lost its lease in between.
    Repeated,
    /// Final later than those may be who have nothing to do with the fault, or whom others could have helped.
    Late,
    /// No 202 for longer than the fault explains.
    ShutOut,
    /// An attempt that was charged to a transaction though it was not its fault.
    Spent,
    /// What is old and finished, and was not deleted.
    Kept,
    /// An id from before the run that is not known any more, or that was answered as if it were new.
    Forgotten,
    /// What an operator has asked for was not done; or was done, and nobody had asked for it.
    Misoperated,
}

/// Everything that was found, with a few examples of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) counts: BTreeMap<Violation, u64>,
    pub(crate) examples: Vec<String>,
}

impl Findings {
    pub(crate) fn note(&mut self, violation: Violation, example: impl Into<String>) {
        self.add(violation, 1, example);
    }

    pub(crate) fn add(&mut self, violation: Violation, count: u64, example: impl Into<String>) {
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

    /// Takes over what `other` has found.
    pub(crate) fn merge(&mut self, other: Self) {
        let examples = other.examples.join("; ");
        for (violation, count) in other.counts {
            self.add(violation, count, examples.as_str());
        }
    }
}

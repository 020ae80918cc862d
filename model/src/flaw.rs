//! The protocols that must fail.

/// One rule of the protocol left out. Each has a test that says which promise breaks, or that none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Answers 202 when the request is read, and commits afterwards.
    AnswerBeforeCommit,
    /// Dual write: commits the row alone, and the outbox entry in a second step.
    PublishWithoutOutbox,
    /// Takes a second request with a known id for a new beginning.
    Upsert,
    /// Marks an id as published for good when it is sent, not when the broker has confirmed it.
    MarkBeforeConfirm,
    /// Marks an id as published for good when the broker has confirmed it.
    MarkForEver,
    /// Notes a confirm even if the due time is no longer the one under which the id was published.
    NoteOverNewerDueTime,
    /// Never looks at the outbox.
    NoSweep,
    /// Acks, with a run that somebody else is to go on with, a delivery that arrived while it said so to the
    /// database.
    JoinDuringStatement,
    /// Acks when the work begins.
    AckBeforeCommit,
    /// Finishes whatever the row says and whoever holds it.
    UnconditionalFinish,
    /// Finishes and puts back what it no longer holds: a stale lease is accepted.
    StaleLeaseAccepted,
    /// Finishes what it holds, without a look at the status.
    FinishByHolderAlone,
    /// Goes on working when its lease has ended.
    NoSelfFencing,
    /// Takes only what nobody holds, and leaves it to the reclaim to free what the dead held.
    TakeOnlyWhatIsFree,
    /// Never reclaims.
    NoReclaim,
}

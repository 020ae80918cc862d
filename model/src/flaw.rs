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
    /// Notes a retry's confirm even if it has been away and come back since.
    NoteOverNewerRetry,
    /// Notes as published what the broker has refused.
    NoteRefused,
    /// Notes as published what the broker had confirmed before it lost its queue.
    NoteWhatWasLost,
    /// Never looks at what is due.
    NoSweep,
    /// Holds retries back while much waits in the queue.
    BacklogHoldsRetries,
    /// Passes, once and for all, what another relay has claimed and has yet to publish.
    FrontierPassesClaims,
    /// Takes no notice of messages that have left the queue without a consumer.
    ForgetReturned,
    /// Creates a queue that is gone, and says so afterwards.
    CreateBeforeNote,

    /// Acks, with a take that has found the id in other hands, a delivery that arrived meanwhile.
    JoinDuringTake,
    /// Acks, with a run that is to be tried again, a delivery that arrived while it said so to the database.
    JoinDuringRetry,
    /// Takes for dead whose lease began after the statement that takes did.
    OldSnapshot,
    /// Moves a retry into the outbox, and takes it there with a second statement.
    BringInHoldsNothing,
    /// Takes a retry and leaves its row among the retries.
    BringInCopies,
    /// Takes only what nobody holds, and leaves it to the reclaim to free what the dead held.
    TakeOnlyWhatIsFree,
    /// Acks when the work begins.
    AckBeforeCommit,
    /// Finishes whatever the row says and whoever holds it.
    UnconditionalFinish,
    /// Finishes and puts back what it no longer holds: a stale lease is accepted.
    StaleLeaseAccepted,
    /// Finishes what it holds, without a look at the status.
    FinishByHolderAlone,

    /// Keeps what it cannot work on, and stays subscribed.
    HoardWhileSick,
    /// Gives up what it has not begun, and leaves it to its message to bring it back.
    ReleasePutsOff,
    /// The same, and hands the message back before it gives up the id.
    RequeueBeforeRelease,

    /// Goes on working when its lease has ended.
    NoSelfFencing,
    /// Marks a silent consumer dead without a look at whether it has renewed its lease since.
    BuryWhoHasRenewed,
    /// A consumer that ends its lease deletes its row, and nobody looks for what it held.
    EndForgets,
    /// Never reclaims.
    NoReclaim,
    /// Reclaims what it has seen in dead hands, without a second look.
    ReclaimWithoutASecondLook,
    /// Reclaims in the outbox: what comes back is not moved to the retries.
    ReclaimMovesNothing,
    /// Reclaims into the retries and leaves the outbox as it was.
    ReclaimCopies,
    /// Forgets a dead consumer as soon as what it held is reclaimed.
    ForgetAtOnce,

    /// Acks, with a run that is done, a delivery that arrived while it said so to the database: it may be of a replay.
    JoinDuringFinish,
    /// The same with a run that has failed for good: it may be of a retry by an operator.
    JoinDuringFail,
    /// The same with what is parked: it may come because the pause is over.
    JoinDuringPark,
    /// Reopens whatever the row says.
    ReopenAnything,
    /// Reopens, and leaves the row that says why it had failed.
    ReopenKeepsFailure,
    /// Reopens, and counts the attempts from one again.
    NumbersBeginAnew,
    /// Reopens into the outbox as something that was published.
    ReopenIntoOutbox,
    /// A replay makes the row `PROCESSING`.
    ReplayTouchesRow,
    /// A replay that fails makes the row `FAILED`.
    ReplayFails,
    /// Replays what is being replayed.
    ReplayTwice,
    /// Gives up what a living consumer has in its hands.
    GiveUpInHand,
    /// What is parked stays so.
    NoUnpark,
}

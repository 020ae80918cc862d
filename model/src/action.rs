//! Every step that can happen, by name.

/// One step of one process, of the broker, of the clock, or of what goes wrong. The printed list of these is how a
/// counterexample reads. [`steps`](crate::steps) says which function of the product each one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    // The sender and the API: ingress.rs
    Receive {
        api: usize,
        id: usize,
    },
    CommitReceive {
        api: usize,
        id: usize,
    },
    Answer202 {
        api: usize,
        id: usize,
    },

    // The relay, the broker and the clock: relay.rs
    Publish {
        api: usize,
        id: usize,
    },
    BrokerAccepts {
        api: usize,
        id: usize,
    },
    ConfirmArrives {
        api: usize,
        id: usize,
    },
    NotePublished {
        api: usize,
        id: usize,
    },
    FallDue {
        id: usize,
    },
    ClaimRetry {
        api: usize,
        id: usize,
    },
    PassFrontier {
        api: usize,
        id: usize,
    },
    Walk {
        api: usize,
        id: usize,
    },
    Recover {
        api: usize,
        id: usize,
    },
    ComeBack {
        id: usize,
    },

    // A queue that is gone: queue.rs
    NoteQueue,
    CreateQueue,
    HearOfQueue {
        api: usize,
    },
    /// Only in a flawed protocol: it is created, and the note comes second.
    CreateQueueUnnoted {
        consumer: usize,
    },
    NoteQueueLate {
        consumer: usize,
    },

    // The consumer: consumer.rs
    Deliver {
        consumer: usize,
        id: usize,
    },
    Take {
        consumer: usize,
        id: usize,
    },
    CommitTake {
        consumer: usize,
        id: usize,
    },
    CommitBringIn {
        consumer: usize,
        id: usize,
    },
    Begin {
        consumer: usize,
        id: usize,
    },
    WorkDone {
        consumer: usize,
        id: usize,
    },
    /// The work fails for good.
    WorkIsRefused {
        consumer: usize,
        id: usize,
    },
    CommitFinish {
        consumer: usize,
        id: usize,
    },
    CommitRetry {
        consumer: usize,
        id: usize,
    },
    CommitFail {
        consumer: usize,
        id: usize,
    },
    GiveUp {
        consumer: usize,
        id: usize,
    },
    Park {
        consumer: usize,
        id: usize,
    },
    CommitPark {
        consumer: usize,
        id: usize,
    },
    CommitRelease {
        consumer: usize,
        id: usize,
    },
    HandBack {
        consumer: usize,
        id: usize,
    },
    Ack {
        consumer: usize,
        id: usize,
    },

    // Leases: lease.rs
    Bury {
        consumer: usize,
    },
    EndLease {
        consumer: usize,
    },
    Reclaim {
        id: usize,
    },
    /// Only in a flawed protocol: the first half of a reclaim that does not look again.
    FindDead {
        id: usize,
    },

    // The operator: operator.rs
    Reopen {
        id: usize,
    },
    Replay {
        id: usize,
    },
    EndByOperator {
        id: usize,
    },
    Pause,
    Resume,
    Unpark {
        id: usize,
    },

    // What goes wrong, and what need not happen: faults.rs
    /// The sender has not waited for its answer, or has not believed it.
    SendAgain {
        api: usize,
        id: usize,
    },
    CrashApi {
        api: usize,
    },
    CrashConsumer {
        consumer: usize,
    },
    /// Its renewals fail, so the consumer stops before others may take it for dead.
    Fence {
        consumer: usize,
    },
    /// SIGTERM, and a new process in its place.
    Stop {
        consumer: usize,
    },
    /// Its circuit opens, and stays so: the others have to do without it.
    Sicken {
        consumer: usize,
    },
    /// The publishing connection is cut: no confirm will come for what was sent.
    LoseConfirms {
        api: usize,
    },
    /// The broker has no room, or no leader, and refuses a message.
    BrokerRefuses {
        api: usize,
        id: usize,
    },
    /// The consuming connection is cut: the broker will deliver again what is not acked.
    DropConnection {
        consumer: usize,
    },
    /// The queue is gone, with all that was in it.
    LoseQueue,
    /// A message is gone, and nobody is told.
    Purge {
        id: usize,
    },
    /// A message leaves the queue without a consumer.
    MessageReturns {
        id: usize,
    },
    /// A statement commits and nobody hears of it: the process will repeat it.
    CommitReceiveUnheard {
        api: usize,
        id: usize,
    },
    CommitTakeUnheard {
        consumer: usize,
        id: usize,
    },
    CommitBringInUnheard {
        consumer: usize,
        id: usize,
    },
    CommitFinishUnheard {
        consumer: usize,
        id: usize,
    },
    CommitRetryUnheard {
        consumer: usize,
        id: usize,
    },
    CommitFailUnheard {
        consumer: usize,
        id: usize,
    },
    CommitParkUnheard {
        consumer: usize,
        id: usize,
    },
    CommitReleaseUnheard {
        consumer: usize,
        id: usize,
    },
    /// The work fails for now.
    WorkFails {
        consumer: usize,
        id: usize,
    },
    /// A consumer that goes on is marked dead: only if it does not fence itself, or if nobody asks what it has renewed.
    BuryTheLiving {
        consumer: usize,
    },
}

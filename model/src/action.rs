//! Every step that can happen, by name.

/// One step of one process, of the broker, of the clock, or of what goes wrong. The printed list of these is how a
/// counterexample reads.
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
    Sweep {
        api: usize,
        id: usize,
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
    WorkDone {
        consumer: usize,
        id: usize,
    },
    CommitFinish {
        consumer: usize,
        id: usize,
    },
    CommitRelease {
        consumer: usize,
        id: usize,
    },
    Ack {
        consumer: usize,
        id: usize,
    },

    // Leases: lease.rs
    Expire {
        consumer: usize,
    },
    Reclaim,

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
    /// A heartbeat fails, so the consumer stops before its lease ends.
    Fence {
        consumer: usize,
    },
    /// SIGTERM, and a new process in its place.
    Stop {
        consumer: usize,
    },
    /// The publishing connection is cut: no confirm will come for what was sent.
    LoseConfirms {
        api: usize,
    },
    /// The consuming connection is cut: the broker will deliver again what is not acked.
    DropConnection {
        consumer: usize,
    },
    /// The queue is gone, with all that was in it.
    LoseQueue,
    /// A statement commits and nobody hears of it: the process will repeat it.
    CommitReceiveUnheard {
        api: usize,
        id: usize,
    },
    CommitTakeUnheard {
        consumer: usize,
        id: usize,
    },
    CommitFinishUnheard {
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
    /// A lease ends under a consumer that goes on: only without fencing.
    ExpireUnnoticed {
        consumer: usize,
    },
}

//! Which function of the product each step is, and where a process can be made to die beside it.
//!
//! The table is what keeps code and model together: a test (`tests/code.rs`) fails if an action has no row, if a function
//! that a row names is gone, if a failpoint belongs to no row, or if there is a statement that no row names.

use failpoint::Point;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The [`Action`](crate::Action)'s name.
    pub action: &'static str,
    /// The functions that do it, each by its file and its name.
    pub code: &'static [(&'static str, &'static str)],
    pub death: Death,
}

/// Where a process that does a step can be made to die.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// Just before it or just after it.
    At(&'static [Point]),
    /// Nowhere, for this reason.
    Nowhere(&'static str),
}

use Death::{At, Nowhere};

const BROKER: Death = Nowhere("no process of ours does it");
const FAULT: Death = Nowhere("it is a fault; the harness injects it");
const FLAW: Death = Nowhere("only a flawed protocol does it");
const MEMORY: Death =
    Nowhere("nothing outside the process changes; a death here is one at the step before");
const NO_POINT: Death =
    Nowhere("one statement, of which nobody waits for the answer in job to do another");

const WRITER: &str = "api/src/writer.rs";
const RELAY: &str = "api/src/relay/session.rs";
const NOTES: &str = "api/src/relay/notes.rs";
const SWEEP: &str = "api/src/relay/sweep.rs";
const RETURNED: &str = "api/src/relay/returned.rs";
const CONSUME: &str = "consumer/src/consume/run.rs";
const INTAKE: &str = "consumer/src/consume/take.rs";
const WORK: &str = "consumer/src/consume/work.rs";
const PERSIST: &str = "consumer/src/consume/persist.rs";
const SUBSCRIPTION: &str = "consumer/src/consume/subscription.rs";
const RECORD: &str = "consumer/src/consume/record.rs";
const SETTLE: &str = "consumer/src/consume/settle.rs";
const KEEPER: &str = "consumer/src/lease.rs";
const PEERS: &str = "consumer/src/peers.rs";
const RECEIVE: &str = "entity/src/lifecycle/receive.rs";
const DUE: &str = "entity/src/lifecycle/due.rs";
const TAKE: &str = "entity/src/lifecycle/take.rs";
const JOB: &str = "entity/src/lifecycle/job.rs";
const OUTCOME: &str = "entity/src/lifecycle/record.rs";
const LEASE: &str = "entity/src/lifecycle/lease.rs";
const RETRY: &str = "entity/src/lifecycle/operate/retry.rs";
const REPLAY: &str = "entity/src/lifecycle/operate/replay.rs";
const END: &str = "entity/src/lifecycle/operate/give_up.rs";
const PAUSE: &str = "entity/src/lifecycle/operate/pause.rs";
const BULK: &str = "entity/src/lifecycle/operate/bulk.rs";
const PORTION: &str = "entity/src/lifecycle/operate/bulk/advance.rs";
const AUDIT: &str = "entity/src/lifecycle/operate/audit.rs";
const PARKING: &str = "consumer/src/consume/park.rs";
const OPERATE: &str = "api/src/operate.rs";
const TOPOLOGY: &str = "queue/src/amqp/topology.rs";
const PUBLISH: &str = "queue/src/amqp/publish.rs";
const SESSION: &str = "queue/src/amqp/session.rs";

/// A row.
const fn step(
    action: &'static str,
    code: &'static [(&'static str, &'static str)],
    death: Death,
) -> Step {
    Step {
        action,
        code,
        death,
    }
}

/// The table.
pub const STEPS: &[Step] = &[
    step("Receive", &[("api/src/webhooks.rs", "receive")], MEMORY),
    step(
        "CommitReceive",
        &[
            (WRITER, "commit"),
            (RECEIVE, "receive"),
            (RECEIVE, "receive_repeats"),
        ],
        At(&[Point::ReceiveBeforeCommit, Point::ReceiveAfterCommit]),
    ),
    step(
        "Answer202",
        &[(WRITER, "commit"), ("api/src/webhooks.rs", "accepted")],
        At(&[Point::ReceiveBeforeAnswer]),
    ),
    step(
        "Publish",
        &[(RELAY, "hand_over"), (PUBLISH, "publish")],
        At(&[Point::RelayBeforePublish, Point::RelayBeforeConfirm]),
    ),
    step("BrokerAccepts", &[], BROKER),
    step(
        "ConfirmArrives",
        &[(RELAY, "confirmed"), (PUBLISH, "confirmed")],
        At(&[Point::RelayAfterConfirm]),
    ),
    step(
        "NotePublished",
        &[
            (NOTES, "start"),
            (DUE, "defer_published"),
            (DUE, "defer_published_retries"),
        ],
        At(&[Point::RelayAfterNote]),
    ),
    step("FallDue", &[], Nowhere("the clock does it")),
    step(
        "ClaimRetry",
        &[(SWEEP, "look_at_retries"), (DUE, "claim_retries")],
        Nowhere("a death after it is one at Point::RelayBeforePublish"),
    ),
    step(
        "PassFrontier",
        &[(SWEEP, "look_at_frontier"), (DUE, "claim")],
        Nowhere("a death after it is one at Point::RelayBeforePublish"),
    ),
    step(
        "Walk",
        &[(SWEEP, "walk"), (DUE, "claim")],
        Nowhere("a death after it is one at Point::RelayBeforePublish"),
    ),
    step(
        "Recover",
        &[
            (SWEEP, "look_for_lost"),
            (DUE, "claim"),
            (DUE, "republish_retries"),
        ],
        Nowhere("a death after it is one at Point::RelayBeforePublish"),
    ),
    step(
        "ComeBack",
        &[(RETURNED, "come_back"), (DUE, "come_back")],
        NO_POINT,
    ),
    step(
        "NoteQueue",
        &[
            (SWEEP, "queue_is_new"),
            (CONSUME, "note_new_queue"),
            (DUE, "queue_created"),
        ],
        NO_POINT,
    ),
    step("CreateQueue", &[(TOPOLOGY, "declare")], NO_POINT),
    step("HearOfQueue", &[(SWEEP, "ask")], MEMORY),
    step("CreateQueueUnnoted", &[(TOPOLOGY, "declare")], FLAW),
    step("NoteQueueLate", &[(CONSUME, "note_new_queue")], FLAW),
    step("Deliver", &[(SESSION, "take_in")], MEMORY),
    step(
        "Take",
        &[(INTAKE, "receive"), (INTAKE, "take")],
        At(&[Point::ConsumerBeforeTake]),
    ),
    step(
        "CommitTake",
        &[(INTAKE, "take"), (TAKE, "take"), (TAKE, "hold")],
        At(&[Point::ConsumerAfterTake]),
    ),
    step(
        "CommitBringIn",
        &[(INTAKE, "take"), (TAKE, "bring_in")],
        At(&[Point::ConsumerAfterTake]),
    ),
    step("Begin", &[(WORK, "start_calls")], MEMORY),
    step(
        "WorkDone",
        &[(WORK, "on_ended")],
        At(&[Point::ConsumerAtWork]),
    ),
    step(
        "WorkIsRefused",
        &[(WORK, "on_called")],
        At(&[Point::ConsumerAtWork]),
    ),
    step(
        "CommitFinish",
        &[(RECORD, "start_recording"), (OUTCOME, "finish")],
        At(&[Point::ConsumerBeforeFinish, Point::ConsumerAfterFinish]),
    ),
    step(
        "CommitRetry",
        &[(RECORD, "start_recording"), (OUTCOME, "record")],
        At(&[Point::ConsumerBeforeFinish, Point::ConsumerAfterFinish]),
    ),
    step(
        "CommitFail",
        &[(RECORD, "start_recording"), (OUTCOME, "record")],
        At(&[Point::ConsumerBeforeFinish, Point::ConsumerAfterFinish]),
    ),
    step("GiveUp", &[(SUBSCRIPTION, "release_jobs")], MEMORY),
    step("Park", &[(PARKING, "park")], MEMORY),
    step("CommitPark", &[(PARKING, "park"), (TAKE, "park")], NO_POINT),
    step(
        "CommitRelease",
        &[(SUBSCRIPTION, "release_jobs"), (TAKE, "release")],
        NO_POINT,
    ),
    step(
        "HandBack",
        &[(SETTLE, "settle_released"), (SUBSCRIPTION, "subscribe")],
        Nowhere("the broker takes everything back from the dead anyway"),
    ),
    step(
        "Ack",
        &[
            (SETTLE, "settle_recorded"),
            (SESSION, "settle"),
            (CONSUME, "step"),
        ],
        At(&[Point::ConsumerAfterAck]),
    ),
    step("Bury", &[(PEERS, "see"), (LEASE, "bury")], NO_POINT),
    step("EndLease", &[(KEEPER, "end"), (LEASE, "end")], NO_POINT),
    step("Reclaim", &[(PEERS, "free"), (LEASE, "reclaim")], NO_POINT),
    step("FindDead", &[], FLAW),
    step(
        "Reopen",
        &[(RETRY, "retry"), (PORTION, "advance"), (PORTION, "reopen")],
        NO_POINT,
    ),
    step("Replay", &[(REPLAY, "replay")], NO_POINT),
    step("EndByOperator", &[(END, "give_up")], NO_POINT),
    step("Pause", &[(PAUSE, "pause")], NO_POINT),
    step("Resume", &[(PAUSE, "resume")], NO_POINT),
    step(
        "Unpark",
        &[(OPERATE, "unpark"), (PAUSE, "unpark")],
        NO_POINT,
    ),
    step("SendAgain", &[("api/src/webhooks.rs", "receive")], FAULT),
    step("CrashApi", &[], FAULT),
    step("CrashConsumer", &[], FAULT),
    step("Fence", &[(KEEPER, "keep"), (SETTLE, "release_all")], FAULT),
    step("Stop", &[(CONSUME, "drain")], FAULT),
    step(
        "Sicken",
        &[
            ("consumer/src/circuit.rs", "appetite"),
            (SUBSCRIPTION, "subscribe"),
        ],
        FAULT,
    ),
    step("LoseConfirms", &[(RELAY, "leave")], FAULT),
    step("BrokerRefuses", &[(RELAY, "refused")], FAULT),
    step("DropConnection", &[(SESSION, "open")], FAULT),
    step("LoseQueue", &[], FAULT),
    step("Purge", &[], FAULT),
    step(
        "MessageReturns",
        &[("queue/src/amqp/returns.rs", "next")],
        FAULT,
    ),
    step("CommitReceiveUnheard", &[(RECEIVE, "receive")], FAULT),
    step("CommitTakeUnheard", &[(PERSIST, "persist")], FAULT),
    step("CommitBringInUnheard", &[(PERSIST, "persist")], FAULT),
    step("CommitFinishUnheard", &[(PERSIST, "persist")], FAULT),
    step("CommitRetryUnheard", &[(PERSIST, "persist")], FAULT),
    step("CommitFailUnheard", &[(PERSIST, "persist")], FAULT),
    step("CommitParkUnheard", &[(PERSIST, "persist")], FAULT),
    step("CommitReleaseUnheard", &[(PERSIST, "persist")], FAULT),
    step("WorkFails", &[(WORK, "on_called")], FAULT),
    step("BuryTheLiving", &[(LEASE, "bury")], FLAW),
];

/// Public functions of `entity/src/lifecycle` that no row names, each with the reason.
pub const NOT_MODELLED: &[(&str, &str, &str)] = &[
    (JOB, "jobs", "reads"),
    (JOB, "body", "reads"),
    (DUE, "state", "reads"),
    (DUE, "shorten_waits", "is about times, which are left out"),
    (
        LEASE,
        "begin",
        "a consumer has a lease before it is subscribed",
    ),
    (LEASE, "renew", "a consumer that runs has renewed its lease"),
    (LEASE, "renewals", "reads"),
    (LEASE, "dead", "reads"),
    (
        LEASE,
        "forget",
        "comes when nothing can depend on the row: State::tidy",
    ),
    (
        LEASE,
        "forget_all",
        "is for a process that has the database for itself",
    ),
    (PAUSE, "in_force", "reads"),
    (PAUSE, "list", "reads"),
    (AUDIT, "page", "reads"),
    (BULK, "count", "reads"),
    (BULK, "find", "reads"),
    (BULK, "list", "reads"),
    (
        BULK,
        "create",
        "moves nothing: each portion is many reopenings",
    ),
    (BULK, "pause", "moves nothing"),
    (BULK, "resume", "moves nothing"),
    (BULK, "cancel", "moves nothing"),
];

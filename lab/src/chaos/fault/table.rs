//! What each fault is.

use super::Fault;
use crate::chaos::world::Kind;

/// One fault.
pub(in crate::chaos) struct About {
    pub(in crate::chaos) fault: Fault,
    /// Its row of the fault matrix.
    pub(in crate::chaos) row: &'static str,
    pub(in crate::chaos) says: &'static str,
    /// How long it lasts at least and at most, in seconds.
    pub(in crate::chaos) lasts: (u16, u16),
    pub(in crate::chaos) traits: Traits,
}

/// In what a fault differs from most.
pub(in crate::chaos) struct Traits {
    pub(in crate::chaos) ground: Kind,
    /// What is noted as published may be gone, so the check lets the outbox's quarter of an hour pass at once.
    pub(in crate::chaos) loses_messages: bool,
    /// Messages come back so often that the broker may give them up.
    pub(in crate::chaos) dead_letters: bool,
    /// A consumer may lose its lease and not know, so that two runs of one id overlap.
    pub(in crate::chaos) overlaps: bool,
    /// Whether it is one of those that a mixed soak draws from.
    pub(in crate::chaos) mixes: bool,
    /// Whether it runs only if it is asked for by name: it takes too long for every day.
    pub(in crate::chaos) rare: bool,
    /// How long the work takes, in milliseconds.
    pub(in crate::chaos) delay_ms: u64,
    /// How many times the usual rate.
    pub(in crate::chaos) times: f64,
}

const USUAL: Traits = Traits {
    ground: Kind::Usual,
    loses_messages: false,
    dead_letters: false,
    overlaps: false,
    mixes: true,
    rare: false,
    delay_ms: 1000,
    times: 1.0,
};

/// Every fault, in the order of the matrix.
pub(in crate::chaos) const TABLE: &[About] = &[
    About {
        fault: Fault::None,
        row: "-",
        says: "nothing breaks: the yardstick of the harness itself",
        lasts: (4, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::KillApi,
        row: "A1",
        says: "kill -9 an API at random instants, and start it at once",
        lasts: (5, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::KillConsumer,
        row: "A1",
        says: "kill -9 a consumer at random instants, and start it at once",
        lasts: (5, 9),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::KillAll,
        row: "A1",
        says: "kill -9 everything at once, and start it, again and again",
        lasts: (5, 9),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::FailpointLoop,
        row: "A1",
        says: "every process dies again and again, at named points where the binary has them, at random ones otherwise",
        lasts: (400, 400),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::StopApi,
        row: "A2",
        says: "SIGTERM to an API under load, and start it again",
        lasts: (5, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::StopConsumer,
        row: "A2",
        says: "SIGTERM to a consumer with work in hand, and start it again",
        lasts: (5, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::StopTwice,
        row: "A2",
        says: "two SIGTERMs in a row: it must leave at once",
        lasts: (5, 9),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::PauseApi,
        row: "A3",
        says: "SIGSTOP an API for some seconds",
        lasts: (4, 7),
        traits: USUAL,
    },
    About {
        fault: Fault::PauseConsumer,
        row: "A3",
        says: "SIGSTOP a consumer for longer than its lease",
        lasts: (5, 9),
        traits: Traits {
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::PauseConsumerMinute,
        row: "A3",
        says: "SIGSTOP a consumer until the broker has given it up",
        lasts: (60, 65),
        traits: Traits {
            overlaps: true,
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::ProcessMix,
        row: "A4",
        says: "kill, stop and pause one of the two of each role at the same time",
        lasts: (8, 12),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::FewFiles,
        row: "A5",
        says: "an API runs out of file descriptors",
        lasts: (5, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::BrokerStop,
        row: "B1",
        says: "rabbitmqctl stop_app, and start_app",
        lasts: (8, 12),
        traits: USUAL,
    },
    About {
        fault: Fault::BrokerStopQuarter,
        row: "B1",
        says: "the same for a quarter of an hour",
        lasts: (900, 905),
        traits: Traits {
            mixes: false,
            rare: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::BrokerKill,
        row: "B2",
        says: "kill -9 the broker, and start it again",
        lasts: (2, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpReset,
        row: "B3",
        says: "the broker's connections are reset, again and again",
        lasts: (4, 8),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::AmqpCut,
        row: "B3",
        says: "the broker's connections are cut amid a frame, again and again",
        lasts: (4, 8),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::AmqpBlackhole,
        row: "B4",
        says: "nothing passes to the broker or from it, and nobody is told",
        lasts: (22, 30),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpDeaf,
        row: "B4",
        says: "one direction of the broker's connections is dead",
        lasts: (22, 30),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpSlow,
        row: "B5",
        says: "1 KB per second to and from the broker",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpDelay,
        row: "B5",
        says: "half a second more for every piece to and from the broker",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::BrokerAlarm,
        row: "B6",
        says: "the broker is short of memory, then of disk, and blocks who publishes",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::QueueDeleted,
        row: "B7",
        says: "the queue is deleted with everything in it",
        lasts: (4, 6),
        traits: Traits {
            loses_messages: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::QueueReplaced,
        row: "B7",
        says: "the queue is deleted, and another kind stands under its name",
        lasts: (5, 8),
        traits: Traits {
            loses_messages: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::BindingRemoved,
        row: "B8",
        says: "the binding goes, then the exchange: nothing can be routed",
        lasts: (4, 6),
        traits: Traits {
            loses_messages: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::ConsumerTimeout,
        row: "B9",
        says: "the broker gives up consumers that hold a delivery for longer than five seconds",
        lasts: (8, 12),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            mixes: false,
            delay_ms: 8000,
            ..USUAL
        },
    },
    About {
        fault: Fault::PoisonMessages,
        row: "B10",
        says: "messages that are no id, the id of nothing, empty, and 1 MB",
        lasts: (2, 4),
        traits: Traits {
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::PoisonWork,
        row: "B11",
        says: "work that kills its process, several times in a row",
        lasts: (6, 9),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::DuplicateMessages,
        row: "B12",
        says: "a hundred messages of each of some ids, finished and unfinished ones",
        lasts: (3, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::CredentialsRevoked,
        row: "B13",
        says: "the broker's password changes, and changes back",
        lasts: (5, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::VhostRemoved,
        row: "B13",
        says: "the virtual host goes with everything in it, and comes back empty",
        lasts: (4, 6),
        traits: Traits {
            loses_messages: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::DatabaseStop,
        row: "C1",
        says: "the database stops in good order, and starts again",
        lasts: (2, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::DatabaseCrash,
        row: "C1",
        says: "the database crashes (SIGQUIT), and recovers",
        lasts: (2, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::DatabaseKill,
        row: "C1",
        says: "kill -9 the database's server, and start it again",
        lasts: (2, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::BackendKill,
        row: "C1",
        says: "kill -9 a session of the database, which then restarts by itself",
        lasts: (4, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::BackendsTerminated,
        row: "C2",
        says: "every session of the service is terminated, again and again",
        lasts: (5, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::ClientsLeave,
        row: "C3",
        says: "half of the senders leave within 5 ms",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::DatabaseReset,
        row: "C1",
        says: "the database's connections are reset, again and again",
        lasts: (4, 8),
        traits: Traits {
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::DatabaseCut,
        row: "C1",
        says: "the database's connections are cut amid a message, again and again",
        lasts: (4, 8),
        traits: Traits {
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::DatabaseBlackhole,
        row: "C1",
        says: "nothing passes to the database or from it, and nobody is told",
        lasts: (5, 12),
        traits: Traits {
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::DatabaseAnswersLost,
        row: "C1",
        says: "what the database is told arrives, and its answers do not: was it committed?",
        lasts: (4, 8),
        traits: Traits {
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::DatabaseSlow,
        row: "C4",
        says: "300 ms more for every piece to and from the database",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::DatabaseLocked,
        row: "C4",
        says: "somebody locks the table of transactions",
        lasts: (3, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::SlowFsync,
        row: "C4",
        says: "every fdatasync of the database takes two seconds",
        lasts: (6, 9),
        traits: Traits {
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::FsyncError,
        row: "C5",
        says: "fdatasync fails with EIO: the database panics and recovers",
        lasts: (5, 8),
        traits: Traits {
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::DiskFull,
        row: "C6",
        says: "the database's disk is full",
        lasts: (5, 8),
        traits: Traits {
            ground: Kind::SmallDisk,
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::ConnectionsExhausted,
        row: "C7",
        says: "somebody has all connections of the database",
        lasts: (5, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::Deadlocks,
        row: "C8",
        says: "somebody locks unfinished rows in the wrong order",
        lasts: (6, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::Serialization,
        row: "C8",
        says: "every statement may fail to serialize: the default is repeatable read",
        lasts: (6, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::ReadOnly,
        row: "C9",
        says: "the database takes no writes, as one that has failed over",
        lasts: (4, 7),
        traits: USUAL,
    },
    About {
        fault: Fault::PoisonBodies,
        row: "C10",
        says: "every third body must be refused, beside good ones in one batch",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::MigrationRace,
        row: "C11",
        says: "eight processes migrate an empty database at once",
        lasts: (3, 4),
        traits: Traits {
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::ClockJump,
        row: "D1",
        says: "the clock jumps",
        lasts: (1, 2),
        traits: Traits {
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::SlowClients,
        row: "E3",
        says: "300 senders who never finish their headers or their body",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::HttpReset,
        row: "C3",
        says: "the senders' connections are reset, again and again",
        lasts: (4, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::HttpCut,
        row: "C3",
        says: "the senders' connections are cut amid a request or an answer",
        lasts: (4, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::HttpAnswersLost,
        row: "C3",
        says: "requests arrive, and their answers do not",
        lasts: (4, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::DuplicateStorm,
        row: "E4",
        says: "four times the usual rate, most of it repeats",
        lasts: (5, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::RetryStorm,
        row: "E5",
        says: "the table is locked, and every sender gives up after a second and tries again",
        lasts: (5, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::BothDown,
        row: "F1",
        says: "database and broker are away at the same time",
        lasts: (3, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::BrokerFlapping,
        row: "F2",
        says: "the broker can be reached for three seconds of six, again and again",
        lasts: (18, 30),
        traits: Traits {
            loses_messages: true,
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::DatabaseFlapping,
        row: "F2",
        says: "the database can be reached for three seconds of six, again and again",
        lasts: (18, 30),
        traits: Traits {
            overlaps: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::InFlightCut,
        row: "F3",
        says: "everything is in flight when the broker's connections are cut",
        lasts: (3, 5),
        traits: Traits {
            mixes: false,
            delay_ms: 15_000,
            times: 4.0,
            loses_messages: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::FarSideFails,
        row: "B11",
        says: "the far side answers every third call with 500 and hangs up on every sixth",
        lasts: (6, 10),
        traits: Traits {
            // What fails for good becomes a dead letter.
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::FarSideDown,
        row: "B11",
        says: "the far side cannot be reached",
        lasts: (4, 8),
        traits: Traits {
            // What fails for good becomes a dead letter.
            dead_letters: true,
            ..USUAL
        },
    },
    About {
        fault: Fault::ClusterLeaderKill,
        row: "B2",
        says: "kill -9 the node that leads the queue",
        lasts: (5, 9),
        traits: Traits {
            ground: Kind::Cluster,
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::ClusterRollingRestart,
        row: "B1",
        says: "stop and start the nodes in turn",
        lasts: (1, 2),
        traits: Traits {
            ground: Kind::Cluster,
            mixes: false,
            ..USUAL
        },
    },
    About {
        fault: Fault::ClusterMinorityCut,
        row: "B4",
        says: "cut one node off from the two others",
        lasts: (8, 14),
        traits: Traits {
            ground: Kind::Cluster,
            mixes: false,
            ..USUAL
        },
    },
];

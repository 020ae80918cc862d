//! What each fault is.

use clap::ValueEnum;

use super::traits::{
    ALONE, CLOCK, CLUSTER, DOWNSTREAM, DROPS, EMBEDDED, EMBEDDED_POSTGRES, FIRST_ATTEMPTS,
    LOSES_MESSAGES, OVERLAPS, REDELIVERS, REDELIVERS_AND_OVERLAPS, Traits, USUAL, WAVE,
};
use crate::chaos::world::Kind;

/// One fault.
pub(in crate::chaos) struct About {
    pub(in crate::chaos) fault: Fault,
    /// Its row of the fault matrix.
    pub(in crate::chaos) row: &'static str,
    pub(super) target: Target,
    pub(in crate::chaos) says: &'static str,
    /// How long it lasts at least and at most, in seconds.
    pub(in crate::chaos) lasts: (u16, u16),
    pub(in crate::chaos) traits: Traits,
}

/// What a fault strikes; each has a file of its own.
pub(super) enum Target {
    Nothing,
    Process,
    Failpoints,
    Database,
    Broker,
    Cluster,
    Messages,
    Backlog,
    Network,
    Clients,
    Downstream,
}

/// A fault is said once: its name, which is in kebab case on the command line; its row of the fault matrix; what it
/// strikes; how long it lasts; in what it differs from most; and what it is.
macro_rules! faults {
    ($($fault:ident $row:literal $target:ident, $least:literal to $most:literal s, $traits:expr => $says:literal;)*) => {
        /// Everything that can be broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
        pub(in crate::chaos) enum Fault {
            $($fault,)*
        }

        /// Every fault, in their order.
        static TABLE: &[About] = &[$(About {
            fault: Fault::$fault,
            row: $row,
            target: Target::$target,
            says: $says,
            lasts: ($least, $most),
            traits: $traits,
        },)*];
    };
}

faults! {
    // Nothing, time, and several at once: groups D and F.
    None "-" Nothing, 4 to 6 s, USUAL =>
        "nothing breaks: the yardstick of the harness itself";
    ClockJump "D1" Database, 6 to 8 s, CLOCK =>
        "the database's clock jumps back by an hour, and forward, and a consumer dies each time";
    BothDown "F1" Broker, 3 to 6 s, USUAL =>
        "database and broker are away at the same time";
    BrokerFlapping "F2" Network, 18 to 30 s, REDELIVERS =>
        "the broker can be reached for three seconds of six, again and again";
    DatabaseFlapping "F2" Network, 18 to 30 s, OVERLAPS =>
        "the database can be reached for three seconds of six, again and again";
    InFlightCut "F3" Network, 3 to 5 s, Traits { mixes: false, delay_ms: 15_000, times: 4.0, ..USUAL } =>
        "everything is in flight when the broker's connections are cut";

    // The service's own processes: group A.
    KillApi "A1" Process, 5 to 9 s, USUAL =>
        "kill -9 an API at random instants, and start it at once";
    KillConsumer "A1" Process, 5 to 9 s, REDELIVERS =>
        "kill -9 a consumer at random instants, and start it at once";
    KillAll "A1" Process, 5 to 9 s, REDELIVERS =>
        "kill -9 everything at once, and start it, again and again";
    FailpointLoop "A1" Failpoints, 400 to 400 s, REDELIVERS.alone() =>
        "every process dies again and again, at named points where the binary has them, at random ones otherwise";
    StopApi "A2" Process, 5 to 9 s, USUAL =>
        "SIGTERM to an API under load, and start it again";
    StopConsumer "A2" Process, 5 to 9 s, USUAL =>
        "SIGTERM to a consumer with work in flight, and start it again";
    StopTwice "A2" Process, 5 to 9 s, REDELIVERS =>
        "two SIGTERMs in a row: it must leave at once";
    PauseApi "A3" Process, 4 to 7 s, USUAL =>
        "SIGSTOP an API for some seconds";
    PauseConsumer "A3" Process, 5 to 9 s, OVERLAPS =>
        "SIGSTOP a consumer for longer than its lease";
    PauseConsumerMinute "A3" Process, 60 to 65 s, OVERLAPS.alone() =>
        "SIGSTOP a consumer until the broker has given it up";
    ProcessMix "A4" Process, 8 to 12 s, REDELIVERS_AND_OVERLAPS =>
        "kill, stop and pause one of the two of each role at the same time";
    FewFiles "A5" Process, 5 to 8 s, USUAL =>
        "an API runs out of file descriptors";

    // The broker, its connections and its messages: group B.
    BrokerStop "B1" Broker, 8 to 12 s, USUAL =>
        "rabbitmqctl stop_app, and start_app";
    BrokerStopQuarter "B1" Broker, 900 to 905 s, ALONE.rare() =>
        "the same for a quarter of an hour";
    BrokerKill "B2" Broker, 2 to 5 s, USUAL =>
        "kill -9 the broker, and start it again";
    AmqpReset "B3" Network, 4 to 8 s, REDELIVERS =>
        "the broker's connections are reset, again and again";
    AmqpCut "B3" Network, 4 to 8 s, REDELIVERS =>
        "the broker's connections are cut amid a frame, again and again";
    AmqpBlackhole "B4" Network, 22 to 30 s, USUAL =>
        "nothing passes to the broker or from it, and nobody is told";
    AmqpDeaf "B4" Network, 22 to 30 s, USUAL =>
        "one direction of the broker's connections is dead";
    AmqpSlow "B5" Network, 6 to 10 s, USUAL =>
        "1 KB per second to and from the broker";
    AmqpDelay "B5" Network, 6 to 10 s, USUAL =>
        "half a second more for every piece to and from the broker";
    BrokerFailover "B4" Network, 22 to 30 s, USUAL.within(45, 5) =>
        "every connection to the broker is dead without a word, and new ones pass";
    BrokerCutOne "A6" Network, 22 to 30 s, USUAL.within(45, 5) =>
        "nothing passes between the broker and one of two consumers";
    BrokerAlarm "B6" Broker, 6 to 10 s, USUAL =>
        "the broker is short of memory, then of disk, and blocks who publishes";
    QueueDeleted "B7" Broker, 4 to 6 s, USUAL =>
        "the queue is deleted with everything in it";
    QueueReplaced "B7" Broker, 5 to 8 s, USUAL =>
        "the queue is deleted, and another kind stands under its name";
    Unroutable "B8" Broker, 4 to 6 s, USUAL =>
        "the queue is deleted again and again: what is published cannot be routed";
    QueueExpires "B14" Broker, 8 to 10 s, ALONE.within(60, 5) =>
        "a policy deletes the queue while no consumer is there";
    QueueTtl "B14" Broker, 8 to 10 s, DROPS.within(60, 5) =>
        "a policy lets messages expire while no consumer is there";
    QueueMaxLength "B14" Broker, 8 to 10 s, DROPS.within(60, 5) =>
        "a policy drops what is more than ten messages, while no consumer is there";
    QueueRejectsPublish "B14" Broker, 8 to 10 s, ALONE.within(60, 5) =>
        "a policy has the broker refuse what is more than ten messages, while no consumer is there";
    QueuePurged "B14" Broker, 5 to 8 s, LOSES_MESSAGES.alone() =>
        "an operator purges the queue while no consumer is there: nobody is told";
    Backlog "B15" Backlog, 1 to 1 s, ALONE =>
        "a consumer dies while more than 10,000 messages wait";
    ConsumerTimeout "B9" Broker, 8 to 12 s, Traits { mixes: false, delay_ms: 8000, ..REDELIVERS } =>
        "the broker gives up consumers that hold a delivery for longer than five seconds";
    PoisonMessages "B10" Messages, 2 to 4 s, ALONE =>
        "messages that are no id, the id of nothing, empty, and 1 MB";
    PoisonWork "B11" Messages, 6 to 9 s, REDELIVERS.alone() =>
        "work that kills its process, several times in a row";
    DuplicateMessages "B12" Messages, 3 to 5 s, USUAL =>
        "a hundred messages of each of some ids, finished and unfinished ones";
    CredentialsRevoked "B13" Broker, 5 to 9 s, USUAL =>
        "the broker's password changes, and changes back";
    VhostRemoved "B13" Broker, 4 to 6 s, USUAL =>
        "the virtual host goes with everything in it, and comes back empty";

    // A broker of three nodes.
    ClusterLeaderKill "B2" Cluster, 5 to 9 s, CLUSTER =>
        "kill -9 the node that leads the queue";
    ClusterRollingRestart "B1" Cluster, 1 to 2 s, CLUSTER =>
        "stop and start the nodes in turn";
    ClusterMinorityCut "B4" Cluster, 8 to 14 s, CLUSTER =>
        "cut one node off from the two others";

    // What the work calls: row B11.
    DownstreamFails "B11" Downstream, 6 to 10 s, DOWNSTREAM =>
        "downstream answers every third call with 500 and hangs up on every sixth";
    DownstreamDown "B11" Network, 18 to 22 s, DOWNSTREAM =>
        "downstream cannot be reached";
    DownstreamDownOne "A6" Network, 18 to 22 s, DOWNSTREAM.within(15, 5) =>
        "one of two consumers cannot reach downstream";
    DownstreamSlow "B11" Downstream, 5 to 8 s, DOWNSTREAM =>
        "downstream answers too late, after the service has given the call up";
    DownstreamBusy "B11" Downstream, 6 to 9 s, DOWNSTREAM =>
        "downstream answers two of three calls with 429 and Retry-After";
    DownstreamRefuses "B11" Downstream, 4 to 6 s, DOWNSTREAM =>
        "downstream refuses some transactions for good, with 400";
    DownstreamSickPart "B11" Downstream, 14 to 18 s, DOWNSTREAM.within(10, 5) =>
        "every call for a quarter of the transactions is answered with 500";
    DownstreamWave "B11" Downstream, 4 to 6 s, WAVE =>
        "every call is answered with 404 for a few seconds";
    DownstreamLimits "B11" Downstream, 8 to 10 s, DOWNSTREAM.within(60, 5) =>
        "downstream answers what is more than 100 calls a second with 429 and Retry-After";
    DownstreamHalfOpen "B11" Downstream, 8 to 12 s, FIRST_ATTEMPTS.within(10, 5) =>
        "downstream keeps its connections, and closes each just as the next request comes";

    // The database and its connections: group C.
    DatabaseStop "C1" Database, 2 to 5 s, USUAL =>
        "the database stops in good order, and starts again";
    DatabaseCrash "C1" Database, 2 to 5 s, USUAL =>
        "the database crashes (SIGQUIT), and recovers";
    DatabaseKill "C1" Database, 2 to 5 s, USUAL =>
        "kill -9 the database's server, and start it again";
    BackendKill "C1" Database, 4 to 6 s, USUAL =>
        "kill -9 a session of the database, which then restarts by itself";
    BackendsTerminated "C2" Database, 5 to 9 s, USUAL =>
        "every session of the service is terminated, again and again";
    DatabaseReset "C1" Network, 4 to 8 s, OVERLAPS =>
        "the database's connections are reset, again and again";
    DatabaseCut "C1" Network, 4 to 8 s, OVERLAPS =>
        "the database's connections are cut amid a message, again and again";
    DatabaseBlackhole "C1" Network, 5 to 12 s, OVERLAPS =>
        "nothing passes to the database or from it, and nobody is told";
    DatabaseFailover "C12" Network, 18 to 22 s, OVERLAPS.within(30, 10) =>
        "every connection to the database is dead without a word, and new ones pass";
    DatabaseFailoverOne "C12" Network, 18 to 22 s, OVERLAPS.within(20, 5) =>
        "the same, of one consumer's connections";
    DatabaseCutOne "A6" Network, 18 to 22 s, OVERLAPS.within(20, 5) =>
        "nothing passes between the database and one of two consumers, for longer than its lease";
    DatabaseAnswersLost "C1" Network, 4 to 8 s, OVERLAPS =>
        "what the database is told arrives, and its answers do not: was it committed?";
    DatabaseSlow "C4" Network, 6 to 10 s, USUAL =>
        "300 ms more for every piece to and from the database";
    DatabaseLocked "C4" Database, 3 to 6 s, USUAL =>
        "somebody locks the table of transactions";
    SlowFsync "C4" Database, 6 to 9 s, ALONE =>
        "every fdatasync of the database takes two seconds";
    FsyncError "C5" Database, 5 to 8 s, ALONE =>
        "fdatasync fails with EIO: the database panics and recovers";
    DiskFull "C6" Database, 5 to 8 s, Traits { ground: Kind::SmallDisk, ..ALONE } =>
        "the database's disk is full";
    ConnectionsExhausted "C7" Database, 5 to 8 s, USUAL =>
        "somebody has all connections of the database";
    Deadlocks "C8" Database, 6 to 9 s, USUAL =>
        "somebody locks unfinished rows in the wrong order";
    Serialization "C8" Database, 6 to 9 s, USUAL =>
        "every statement may fail to serialize: the default is repeatable read";
    ReadOnly "C9" Database, 4 to 7 s, USUAL =>
        "the database takes no writes, as one that has failed over";
    ReadOnlyOne "C9" Database, 8 to 12 s, USUAL.within(30, 10) =>
        "one process connects while the database takes no writes, and keeps those sessions";
    HeldSnapshot "C13" Database, 20 to 24 s, Traits { times: 5.0, ..ALONE }.within(20, 5) =>
        "somebody reads in one transaction, so that vacuum removes nothing of 20,000 rows";
    MigrationRace "C11" Nothing, 3 to 4 s, ALONE =>
        "eight processes migrate an empty database at once";

    // Those who send: C3, C10 and group E.
    ClientsLeave "C3" Clients, 6 to 10 s, USUAL =>
        "half of the senders leave within 5 ms";
    PoisonBodies "C10" Clients, 6 to 10 s, USUAL =>
        "every third body must be refused, beside good ones in one batch";
    SlowClients "E3" Clients, 6 to 10 s, USUAL =>
        "300 senders who never finish their headers or their body";
    HttpReset "C3" Network, 4 to 8 s, USUAL =>
        "the senders' connections are reset, again and again";
    HttpCut "C3" Network, 4 to 8 s, USUAL =>
        "the senders' connections are cut amid a request or an answer";
    HttpAnswersLost "C3" Network, 4 to 8 s, USUAL =>
        "requests arrive, and their answers do not";
    DuplicateStorm "E4" Clients, 5 to 8 s, USUAL =>
        "four times the usual rate, most of it repeats";
    RetryStorm "E5" Clients, 5 to 8 s, USUAL =>
        "the table is locked, and every sender gives up after a second and tries again";

    // The one process, with SQLite and with PostgreSQL: group S, which is ours and not the matrix's.
    EmbeddedNone "S0" Nothing, 4 to 6 s, EMBEDDED =>
        "nothing breaks in the one process with SQLite";
    EmbeddedKill "S1" Process, 8 to 12 s, EMBEDDED =>
        "kill -9 the one process at random instants, and start it at once";
    EmbeddedFailpoints "S1" Failpoints, 400 to 400 s, EMBEDDED =>
        "the one process dies at named points, again and again";
    EmbeddedStop "S2" Process, 6 to 10 s, EMBEDDED =>
        "SIGTERM to the one process under load, and start it again";
    EmbeddedStopTwice "S2" Process, 6 to 10 s, EMBEDDED =>
        "two SIGTERMs in a row to the one process: it must leave at once";
    EmbeddedPause "S3" Process, 4 to 7 s, EMBEDDED =>
        "SIGSTOP the one process for some seconds";
    EmbeddedSecond "S4" Process, 3 to 5 s, EMBEDDED =>
        "a second process on the same file is refused, and does not hurt the first";
    EmbeddedPostgresKill "S5" Process, 8 to 12 s, EMBEDDED_POSTGRES.within(40, 20) =>
        "kill -9 the one process with PostgreSQL at random instants, and start it at once";
    EmbeddedPostgresSecond "S6" Process, 5 to 8 s, EMBEDDED_POSTGRES.within(30, 10) =>
        "a second process with a queue of its own is refused, whatever becomes of the sessions of the first";
}

impl Fault {
    /// What the table says about it.
    pub(in crate::chaos) fn about(self) -> &'static About {
        &TABLE[self as usize]
    }
}

/// Every fault.
pub(in crate::chaos) fn all() -> impl Iterator<Item = &'static About> {
    TABLE.iter()
}

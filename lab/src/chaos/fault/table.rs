//! What each fault is.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::{
    backlog, broker,
    broker::{PASSWORD_CHANGES, SHORT_OF_MEMORY_THEN_DISK},
    cluster, database,
    database::READ_ONLY,
    downstream, failpoints, messages, network,
    network::{
        Break,
        Does::{Blackhole, Cut, DeafOneWay, DeafToAnswers, DelayMs, Drip, Nothing, Refuse, Reset},
        Heals::{NewOnly, OldReset},
    },
    process, senders, servers,
    traits::{
        ALONE, CLOCK, CLUSTER, DOWNSTREAM, DROPS, EMBEDDED, EMBEDDED_POSTGRES, FIRST_ATTEMPTS,
        LOSES_MESSAGES, OVERLAPS, REDELIVERS, TIMED, Traits, USUAL, WAVE,
    },
};
use crate::chaos::{
    downstream::{Manners, REFUSED},
    load::Habits,
    world::{
        CALL_WITHIN,
        End::{Crash, Kill, Stop},
        Kind,
        Peer::{Broker, Database, Downstream, Senders},
        Role::{Api, Consumer},
        Whom::{All, Any, AnyOrAll, One},
        World,
    },
};

/// One fault.
pub(crate) struct About {
    pub(crate) fault: Fault,
    /// Its row of the fault matrix.
    pub(crate) row: &'static str,
    pub(crate) says: &'static str,
    /// How long it lasts at least and at most, in seconds.
    pub(crate) lasts: (u16, u16),
    pub(crate) traits: Traits,
}

/// A fault is said once: its name, which is in kebab case on the command line; its row of the fault matrix; how long it
/// lasts; in what it differs from most; what it does, a function of the file of its kind; and what that is.
macro_rules! faults {
    ($($fault:ident $row:literal $least:literal to $most:literal s, $traits:expr;
       $kind:ident::$does:ident($($argument:expr),*) => $says:literal;)*) => {
        /// Everything that can be broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
        pub(crate) enum Fault {
            $($fault,)*
        }

        /// Every fault, in their order.
        static TABLE: &[About] = &[$(About {
            fault: Fault::$fault,
            row: $row,
            says: $says,
            lasts: ($least, $most),
            traits: $traits,
        },)*];

        impl Fault {
            /// Breaks something in `world` for about as long as `lasts`, and mends it. What it leaves, [`World::heal`]
            /// mends.
            pub(crate) async fn strike(self, world: &mut World<'_>, lasts: Duration) -> Result<()> {
                match self {
                    $(Self::$fault => $kind::$does(world, lasts, $($argument),*).await,)*
                }
            }
        }
    };
}

faults! {
    // Nothing, time, and several at once: groups D and F.
    None "-" 4 to 6 s, USUAL; process::nothing() =>
        "nothing breaks: the yardstick of the harness itself";
    ClockJump "D1" 6 to 8 s, CLOCK; database::jump() =>
        "the database's clock jumps back by an hour, and forward, and a consumer dies each time";
    BothDown "F1" 3 to 6 s, USUAL; servers::away(Some(Crash), Some(Kill)) =>
        "database and broker are away at the same time";
    BrokerFlapping "F2" 18 to 30 s, REDELIVERS; network::strike(Break::of(Broker, Reset).flapping()) =>
        "the broker can be reached for three seconds of six, again and again";
    DatabaseFlapping "F2" 18 to 30 s, OVERLAPS; network::strike(Break::of(Database, Reset).flapping()) =>
        "the database can be reached for three seconds of six, again and again";
    InFlightCut "F3" 3 to 5 s, Traits { mixes: false, delay_ms: 15_000, times: 4.0, ..USUAL };
        network::in_flight(Break::of(Broker, Reset).hits(AnyOrAll)) =>
        "everything is in flight when the broker's connections are cut";

    // The service's own processes: group A.
    KillApi "A1" 5 to 9 s, USUAL; process::kill(One(Api)) =>
        "kill -9 an API at random instants, and start it at once";
    KillConsumer "A1" 5 to 9 s, REDELIVERS; process::kill(One(Consumer)) =>
        "kill -9 a consumer at random instants, and start it at once";
    KillAll "A1" 5 to 9 s, REDELIVERS; process::kill(All) =>
        "kill -9 everything at once, and start it, again and again";
    FailpointLoop "A1" 400 to 400 s, REDELIVERS.alone(); failpoints::strike() =>
        "every process dies again and again, at named points where the binary has them, at random ones otherwise";
    StopApi "A2" 5 to 9 s, USUAL; process::stop(One(Api)) =>
        "SIGTERM to an API under load, and start it again";
    StopConsumer "A2" 5 to 9 s, USUAL; process::stop(One(Consumer)) =>
        "SIGTERM to a consumer with work in flight, and start it again";
    StopTwice "A2" 5 to 9 s, REDELIVERS; process::stop_twice(Any) =>
        "two SIGTERMs in a row: it must leave at once";
    PauseApi "A3" 4 to 7 s, USUAL; process::pause(One(Api)) =>
        "SIGSTOP an API for some seconds";
    PauseConsumer "A3" 5 to 9 s, OVERLAPS; process::pause(One(Consumer)) =>
        "SIGSTOP a consumer for longer than its lease";
    PauseConsumerMinute "A3" 60 to 65 s, OVERLAPS.alone(); process::pause(One(Consumer)) =>
        "SIGSTOP a consumer until the broker has given it up";
    ProcessMix "A4" 8 to 12 s, REDELIVERS.overlapping(); process::mix() =>
        "kill, stop and pause one of the two of each role at the same time";
    FewFiles "A5" 5 to 8 s, USUAL; process::few_files() =>
        "an API runs out of file descriptors";

    // The broker, its connections and its messages: group B.
    BrokerStop "B1" 8 to 12 s, USUAL; broker::control(&["stop_app", "start_app"]) =>
        "rabbitmqctl stop_app, and start_app";
    BrokerStopQuarter "B1" 900 to 905 s, ALONE.rare(); broker::control(&["stop_app", "start_app"]) =>
        "the same for a quarter of an hour";
    BrokerKill "B2" 2 to 5 s, USUAL; servers::away(None, Some(Kill)) =>
        "kill -9 the broker, and start it again";
    AmqpReset "B3" 4 to 8 s, REDELIVERS; network::strike(Break::of(Broker, Reset).hits(AnyOrAll)) =>
        "the broker's connections are reset, again and again";
    AmqpCut "B3" 4 to 8 s, REDELIVERS; network::strike(Break::of(Broker, Cut(200..20_000)).hits(AnyOrAll)) =>
        "the broker's connections are cut amid a frame, again and again";
    AmqpBlackhole "B4" 22 to 30 s, USUAL; network::strike(Break::of(Broker, Blackhole)) =>
        "nothing passes to the broker or from it, and nobody is told";
    AmqpDeaf "B4" 22 to 30 s, USUAL; network::strike(Break::of(Broker, DeafOneWay)) =>
        "one direction of the broker's connections is dead";
    AmqpSlow "B5" 6 to 10 s, USUAL; network::strike(Break::of(Broker, Drip(1024))) =>
        "1 KB per second to and from the broker";
    AmqpDelay "B5" 6 to 10 s, USUAL; network::strike(Break::of(Broker, DelayMs(500))) =>
        "half a second more for every piece to and from the broker";
    BrokerFailover "B4" 22 to 30 s, USUAL.within(45, 5); network::strike(Break::of(Broker, Nothing).heals(NewOnly)) =>
        "every connection to the broker is dead without a word, and new ones pass";
    BrokerCutOne "A6" 22 to 30 s, USUAL.within(45, 5); network::strike(Break::of(Broker, Blackhole).hits(One(Consumer))) =>
        "nothing passes between the broker and one of two consumers";
    BrokerAlarm "B6" 6 to 10 s, USUAL; broker::control(&SHORT_OF_MEMORY_THEN_DISK) =>
        "the broker is short of memory, then of disk, and blocks who publishes";
    QueueDeleted "B7" 4 to 6 s, USUAL; broker::delete_queue() =>
        "the queue is deleted with everything in it";
    QueueReplaced "B7" 5 to 8 s, USUAL; broker::replace_queue() =>
        "the queue is deleted, and another kind stands under its name";
    Unroutable "B8" 4 to 6 s, USUAL; broker::keep_deleting() =>
        "the queue is deleted again and again: what is published cannot be routed";
    QueueExpires "B14" 8 to 10 s, ALONE.within(60, 5); broker::policy(r#"{"expires":3000}"#) =>
        "a policy deletes the queue while no consumer is there";
    QueueTtl "B14" 8 to 10 s, DROPS.within(60, 5); broker::policy(r#"{"message-ttl":1000}"#) =>
        "a policy lets messages expire while no consumer is there";
    QueueMaxLength "B14" 8 to 10 s, DROPS.within(60, 5); broker::policy(r#"{"max-length":10}"#) =>
        "a policy drops what is more than ten messages, while no consumer is there";
    QueueRejectsPublish "B14" 8 to 10 s, ALONE.within(60, 5);
        broker::policy(r#"{"max-length":10,"overflow":"reject-publish"}"#) =>
        "a policy has the broker refuse what is more than ten messages, while no consumer is there";
    QueuePurged "B14" 5 to 8 s, LOSES_MESSAGES.alone(); broker::purge() =>
        "an operator purges the queue while no consumer is there: nobody is told";
    Backlog "B15" 1 to 1 s, TIMED; backlog::strike() =>
        "a consumer dies while more than 10,000 messages wait";
    ConsumerTimeout "B9" 8 to 12 s, Traits { mixes: false, delay_ms: 8000, ..REDELIVERS }; broker::time_out() =>
        "the broker gives up consumers that hold a delivery for longer than five seconds";
    PoisonMessages "B10" 2 to 4 s, ALONE; messages::poison() =>
        "messages that are no id, the id of nothing, empty, and 1 MB";
    PoisonWork "B11" 6 to 9 s, REDELIVERS.alone(); messages::kill_by_work() =>
        "work that kills its process, several times in a row";
    DuplicateMessages "B12" 3 to 5 s, USUAL; messages::duplicate() =>
        "a hundred messages of each of some ids, finished and unfinished ones";
    CredentialsRevoked "B13" 5 to 9 s, USUAL; broker::control(&PASSWORD_CHANGES) =>
        "the broker's password changes, and changes back";
    VhostRemoved "B13" 4 to 6 s, USUAL;
        broker::control(&["delete_vhost /", "add_vhost /; set_permissions -p / guest .* .* .*"]) =>
        "the virtual host goes with everything in it, and comes back empty";

    // A broker of three nodes.
    ClusterLeaderKill "B2" 5 to 9 s, CLUSTER; cluster::kill_leader() =>
        "kill -9 the node that leads the queue";
    ClusterRollingRestart "B1" 1 to 2 s, CLUSTER; cluster::restart_in_turn() =>
        "stop and start the nodes in turn";
    ClusterMinorityCut "B4" 8 to 14 s, CLUSTER; cluster::cut_one_off() =>
        "cut one node off from the two others";

    // What the work calls: row B11.
    DownstreamFails "B11" 6 to 10 s, DOWNSTREAM;
        downstream::is(|good| Manners { some: &[(1.0 / 3.0, Some(500)), (1.0 / 6.0, None)], ..good }) =>
        "downstream answers every third call with 500 and hangs up on every sixth";
    DownstreamDown "B11" 18 to 22 s, DOWNSTREAM; network::strike(Break::of(Downstream, Refuse)) =>
        "downstream cannot be reached";
    DownstreamDownOne "A6" 18 to 22 s, DOWNSTREAM.within(15, 5);
        network::strike(Break::of(Downstream, Refuse).hits(One(Consumer))) =>
        "one of two consumers cannot reach downstream";
    DownstreamSlow "B11" 5 to 8 s, DOWNSTREAM; downstream::is(|good| Manners { delay: 2 * CALL_WITHIN, ..good }) =>
        "downstream answers too late, after the service has given the call up";
    DownstreamBusy "B11" 6 to 9 s, DOWNSTREAM; downstream::is(|good| Manners { some: &[(2.0 / 3.0, Some(429))], ..good }) =>
        "downstream answers two of three calls with 429 and Retry-After";
    DownstreamRefuses "B11" 4 to 6 s, DOWNSTREAM;
        downstream::is_for_good(|good| Manners { for_some_keys: (0.05, REFUSED), ..good }) =>
        "downstream refuses some transactions for good, with 400";
    DownstreamSickPart "B11" 14 to 18 s, DOWNSTREAM.within(10, 5);
        downstream::is(|good| Manners { for_some_keys: (0.25, 500), ..good }) =>
        "every call for a quarter of the transactions is answered with 500";
    DownstreamWave "B11" 4 to 6 s, WAVE; downstream::is_after_good_times(|good| Manners { brush_off: Some(404), ..good }) =>
        "every call is answered with 404 for a few seconds";
    DownstreamLimits "B11" 8 to 10 s, DOWNSTREAM.within(60, 5); downstream::is(|good| Manners { rate_max: Some(100), ..good }) =>
        "downstream answers what is more than 100 calls a second with 429 and Retry-After";
    DownstreamHalfOpen "B11" 8 to 12 s, FIRST_ATTEMPTS.within(10, 5);
        downstream::is(|good| Manners { closes_kept: true, ..good }) =>
        "downstream keeps its connections, and closes each just as the next request comes";

    // The database and its connections: group C.
    DatabaseStop "C1" 2 to 5 s, USUAL; servers::away(Some(Stop), None) =>
        "the database stops in good order, and starts again";
    DatabaseCrash "C1" 2 to 5 s, USUAL; servers::away(Some(Crash), None) =>
        "the database crashes (SIGQUIT), and recovers";
    DatabaseKill "C1" 2 to 5 s, USUAL; servers::away(Some(Kill), None) =>
        "kill -9 the database's server, and start it again";
    BackendKill "C1" 4 to 6 s, USUAL; database::kill_session() =>
        "kill -9 a session of the database, which then restarts by itself";
    BackendsTerminated "C2" 5 to 9 s, USUAL; database::terminate_sessions() =>
        "every session of the service is terminated, again and again";
    DatabaseReset "C1" 4 to 8 s, OVERLAPS; network::strike(Break::of(Database, Reset).hits(AnyOrAll)) =>
        "the database's connections are reset, again and again";
    DatabaseCut "C1" 4 to 8 s, OVERLAPS; network::strike(Break::of(Database, Cut(200..20_000)).hits(AnyOrAll)) =>
        "the database's connections are cut amid a message, again and again";
    DatabaseBlackhole "C1" 5 to 12 s, OVERLAPS; network::strike(Break::of(Database, Blackhole)) =>
        "nothing passes to the database or from it, and nobody is told";
    DatabaseFailover "C12" 18 to 22 s, OVERLAPS.within(30, 10); network::strike(Break::of(Database, Nothing).heals(NewOnly)) =>
        "every connection to the database is dead without a word, and new ones pass";
    DatabaseFailoverOne "C12" 18 to 22 s, OVERLAPS.within(20, 5);
        network::strike(Break::of(Database, Nothing).hits(One(Consumer)).heals(NewOnly)) =>
        "the same, of one consumer's connections";
    DatabaseCutOne "A6" 18 to 22 s, OVERLAPS.within(20, 5); network::strike(Break::of(Database, Blackhole).hits(One(Consumer))) =>
        "nothing passes between the database and one of two consumers, for longer than its lease";
    DatabaseAnswersLost "C1" 4 to 8 s, OVERLAPS; network::strike(Break::of(Database, DeafToAnswers).heals(OldReset)) =>
        "what the database is told arrives, and its answers do not: was it committed?";
    DatabaseSlow "C4" 6 to 10 s, USUAL; network::strike(Break::of(Database, DelayMs(300))) =>
        "300 ms more for every piece to and from the database";
    DatabaseLocked "C4" 3 to 6 s, USUAL; database::lock() =>
        "somebody locks the table of transactions";
    SlowFsync "C4" 6 to 9 s, ALONE; database::trace("fdatasync:delay_enter=2000000") =>
        "every fdatasync of the database takes two seconds";
    FsyncError "C5" 5 to 8 s, ALONE; database::trace("fdatasync:error=EIO:when=3") =>
        "fdatasync fails with EIO: the database panics and recovers";
    DiskFull "C6" 5 to 8 s, ALONE.on(Kind::SmallDisk); database::fill_disk() =>
        "the database's disk is full";
    ConnectionsExhausted "C7" 5 to 8 s, USUAL; database::exhaust() =>
        "somebody has all connections of the database";
    Deadlocks "C8" 6 to 9 s, USUAL; database::deadlock() =>
        "somebody locks unfinished rows in the wrong order";
    Serialization "C8" 6 to 9 s, USUAL; database::with_default("default_transaction_isolation = 'repeatable read'") =>
        "every statement may fail to serialize: the default is repeatable read";
    ReadOnly "C9" 4 to 7 s, USUAL; database::with_default(READ_ONLY) =>
        "the database takes no writes, as one that has failed over";
    ReadOnlyOne "C9" 8 to 12 s, USUAL.within(30, 10); database::read_only_sessions() =>
        "one process connects while the database takes no writes, and keeps those sessions";
    HeldSnapshot "C13" 20 to 24 s, Traits { times: 5.0, ..ALONE }.within(20, 5); database::hold_snapshot() =>
        "somebody reads in one transaction, so that vacuum removes nothing of 20,000 rows";
    MigrationRace "C11" 3 to 4 s, ALONE; process::nothing() =>
        "eight processes migrate an empty database at once";

    // Those who send: C3, C10 and group E.
    ClientsLeave "C3" 6 to 10 s, USUAL; senders::are(|usual| Habits { leave: 0.5, ..usual }) =>
        "half of the senders leave within 5 ms";
    PoisonBodies "C10" 6 to 10 s, USUAL; senders::are(|usual| Habits { poison: 0.33, ..usual }) =>
        "every third body must be refused, beside good ones in one batch";
    SlowClients "E3" 6 to 10 s, USUAL; senders::dawdle() =>
        "300 senders who never finish their headers or their body";
    HttpReset "C3" 4 to 8 s, USUAL; network::strike(Break::of(Senders, Reset).hits(AnyOrAll)) =>
        "the senders' connections are reset, again and again";
    HttpCut "C3" 4 to 8 s, USUAL; network::strike(Break::of(Senders, Cut(100..3000)).hits(AnyOrAll)) =>
        "the senders' connections are cut amid a request or an answer";
    HttpAnswersLost "C3" 4 to 8 s, USUAL; network::strike(Break::of(Senders, DeafToAnswers)) =>
        "requests arrive, and their answers do not";
    DuplicateStorm "E4" 5 to 8 s, USUAL; senders::are(|usual| Habits { times: 4.0, repeat: 0.8, ..usual }) =>
        "four times the usual rate, most of it repeats";
    RetryStorm "E5" 5 to 8 s, USUAL; senders::repeat_while_locked() =>
        "the table is locked, and every sender gives up after a second and tries again";

    // The one process, with SQLite and with PostgreSQL: group S, which is ours and not the matrix's.
    EmbeddedNone "S0" 4 to 6 s, EMBEDDED; process::nothing() =>
        "nothing breaks in the one process with SQLite";
    EmbeddedKill "S1" 8 to 12 s, EMBEDDED; process::kill(All) =>
        "kill -9 the one process at random instants, and start it at once";
    EmbeddedFailpoints "S1" 400 to 400 s, EMBEDDED; failpoints::strike() =>
        "the one process dies at named points, again and again";
    EmbeddedStop "S2" 6 to 10 s, EMBEDDED; process::stop(All) =>
        "SIGTERM to the one process under load, and start it again";
    EmbeddedStopTwice "S2" 6 to 10 s, EMBEDDED; process::stop_twice(Any) =>
        "two SIGTERMs in a row to the one process: it must leave at once";
    EmbeddedPause "S3" 4 to 7 s, EMBEDDED; process::pause(All) =>
        "SIGSTOP the one process for some seconds";
    EmbeddedSecond "S4" 3 to 5 s, EMBEDDED; process::second() =>
        "a second process on the same file is refused, and does not hurt the first";
    EmbeddedPostgresKill "S5" 8 to 12 s, EMBEDDED_POSTGRES.within(40, 20); process::kill(All) =>
        "kill -9 the one process with PostgreSQL at random instants, and start it at once";
    EmbeddedPostgresSecond "S6" 5 to 8 s, EMBEDDED_POSTGRES.within(30, 10); process::second_without_sessions() =>
        "a second process with a queue of its own is refused, whatever becomes of the sessions of the first";
}

impl Fault {
    /// What the table says about it.
    pub(crate) fn about(self) -> &'static About {
        &TABLE[self as usize]
    }
}

/// Every fault.
pub(crate) fn all() -> impl Iterator<Item = &'static About> {
    TABLE.iter()
}

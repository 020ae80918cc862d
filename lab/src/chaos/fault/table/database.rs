//! Faults of the database and its connections: group C.

use super::{ALONE, About, OVERLAPS, Traits, USUAL};
use crate::chaos::{fault::Fault, world::Kind};

pub(super) const FAULTS: &[About] = &[
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
        fault: Fault::DatabaseReset,
        row: "C1",
        says: "the database's connections are reset, again and again",
        lasts: (4, 8),
        traits: OVERLAPS,
    },
    About {
        fault: Fault::DatabaseCut,
        row: "C1",
        says: "the database's connections are cut amid a message, again and again",
        lasts: (4, 8),
        traits: OVERLAPS,
    },
    About {
        fault: Fault::DatabaseBlackhole,
        row: "C1",
        says: "nothing passes to the database or from it, and nobody is told",
        lasts: (5, 12),
        traits: OVERLAPS,
    },
    About {
        fault: Fault::DatabaseFailover,
        row: "C12",
        says: "every connection to the database is dead without a word, and new ones pass",
        lasts: (18, 22),
        traits: OVERLAPS.within(30, 10),
    },
    About {
        fault: Fault::DatabaseFailoverOne,
        row: "C12",
        says: "the same, of one consumer's connections",
        lasts: (18, 22),
        traits: OVERLAPS.within(20, 5),
    },
    About {
        fault: Fault::DatabaseCutOne,
        row: "A6",
        says: "nothing passes between the database and one of two consumers, for longer than its lease",
        lasts: (18, 22),
        traits: OVERLAPS.within(20, 5),
    },
    About {
        fault: Fault::DatabaseAnswersLost,
        row: "C1",
        says: "what the database is told arrives, and its answers do not: was it committed?",
        lasts: (4, 8),
        traits: OVERLAPS,
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
        traits: ALONE,
    },
    About {
        fault: Fault::FsyncError,
        row: "C5",
        says: "fdatasync fails with EIO: the database panics and recovers",
        lasts: (5, 8),
        traits: ALONE,
    },
    About {
        fault: Fault::DiskFull,
        row: "C6",
        says: "the database's disk is full",
        lasts: (5, 8),
        traits: Traits {
            ground: Kind::SmallDisk,
            ..ALONE
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
        fault: Fault::ReadOnlyOne,
        row: "C9",
        says: "one process connects while the database takes no writes, and keeps those sessions",
        lasts: (8, 12),
        traits: USUAL.within(30, 10),
    },
    About {
        fault: Fault::HeldSnapshot,
        row: "C13",
        says: "somebody reads in one transaction, so that vacuum removes nothing of 20,000 rows",
        lasts: (20, 24),
        traits: Traits {
            times: 5.0,
            ..ALONE
        }
        .within(20, 5),
    },
    About {
        fault: Fault::MigrationRace,
        row: "C11",
        says: "eight processes migrate an empty database at once",
        lasts: (3, 4),
        traits: ALONE,
    },
];

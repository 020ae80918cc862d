//! Faults of the one process, with SQLite and with PostgreSQL: group S, which is ours and not the matrix's.

use super::{About, EMBEDDED, EMBEDDED_POSTGRES};
use crate::chaos::fault::Fault;

pub(super) const FAULTS: &[About] = &[
    About {
        fault: Fault::EmbeddedNone,
        row: "S0",
        says: "nothing breaks in the one process with SQLite",
        lasts: (4, 6),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedKill,
        row: "S1",
        says: "kill -9 the one process at random instants, and start it at once",
        lasts: (8, 12),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedFailpoints,
        row: "S1",
        says: "the one process dies at named points, again and again",
        lasts: (400, 400),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedStop,
        row: "S2",
        says: "SIGTERM to the one process under load, and start it again",
        lasts: (6, 10),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedStopTwice,
        row: "S2",
        says: "two SIGTERMs in a row to the one process: it must leave at once",
        lasts: (6, 10),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedPause,
        row: "S3",
        says: "SIGSTOP the one process for some seconds",
        lasts: (4, 7),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedSecond,
        row: "S4",
        says: "a second process on the same file is refused, and does not hurt the first",
        lasts: (3, 5),
        traits: EMBEDDED,
    },
    About {
        fault: Fault::EmbeddedPostgresKill,
        row: "S5",
        says: "kill -9 the one process with PostgreSQL at random instants, and start it at once",
        lasts: (8, 12),
        traits: EMBEDDED_POSTGRES.within(40, 20),
    },
    About {
        fault: Fault::EmbeddedPostgresSecond,
        row: "S6",
        says: "a second process with a queue of its own is refused, whatever becomes of the sessions of the first",
        lasts: (5, 8),
        traits: EMBEDDED_POSTGRES.within(30, 10),
    },
];

//! Faults of the service's own processes: group A.

use super::{About, OVERLAPS, REDELIVERS, Traits, USUAL};
use crate::chaos::fault::Fault;

pub(super) const FAULTS: &[About] = &[
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
        traits: REDELIVERS,
    },
    About {
        fault: Fault::KillAll,
        row: "A1",
        says: "kill -9 everything at once, and start it, again and again",
        lasts: (5, 9),
        traits: REDELIVERS,
    },
    About {
        fault: Fault::FailpointLoop,
        row: "A1",
        says: "every process dies again and again, at named points where the binary has them, at random ones otherwise",
        lasts: (400, 400),
        traits: Traits {
            mixes: false,
            ..REDELIVERS
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
        traits: REDELIVERS,
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
        traits: OVERLAPS,
    },
    About {
        fault: Fault::PauseConsumerMinute,
        row: "A3",
        says: "SIGSTOP a consumer until the broker has given it up",
        lasts: (60, 65),
        traits: Traits {
            mixes: false,
            ..OVERLAPS
        },
    },
    About {
        fault: Fault::ProcessMix,
        row: "A4",
        says: "kill, stop and pause one of the two of each role at the same time",
        lasts: (8, 12),
        traits: Traits {
            overlaps: true,
            ..REDELIVERS
        },
    },
    About {
        fault: Fault::FewFiles,
        row: "A5",
        says: "an API runs out of file descriptors",
        lasts: (5, 8),
        traits: USUAL,
    },
];

//! Nothing, time, and several at once: groups D and F.

use std::time::Duration;

use super::{ALONE, About, OVERLAPS, REDELIVERS, Traits, USUAL};
use crate::chaos::{check::Bounds, fault::Fault, world::Kind};

pub(super) const FAULTS: &[About] = &[
    About {
        fault: Fault::None,
        row: "-",
        says: "nothing breaks: the yardstick of the harness itself",
        lasts: (4, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::ClockJump,
        row: "D1",
        says: "the database's clock jumps back by an hour, and forward, and a consumer dies each time",
        lasts: (6, 8),
        traits: Traits {
            ground: Kind::Clock,
            bounds: Bounds {
                accepts_within: Some(Duration::from_secs(10)),
                ..Bounds::NONE
            },
            ..ALONE
        },
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
        traits: REDELIVERS,
    },
    About {
        fault: Fault::DatabaseFlapping,
        row: "F2",
        says: "the database can be reached for three seconds of six, again and again",
        lasts: (18, 30),
        traits: OVERLAPS,
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
            ..USUAL
        },
    },
];

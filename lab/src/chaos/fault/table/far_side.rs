//! Faults of what the work calls: row B11.

use super::{About, FAR_SIDE, Traits};
use crate::chaos::{check::Bounds, fault::Fault};

pub(super) const FAULTS: &[About] = &[
    About {
        fault: Fault::FarSideFails,
        row: "B11",
        says: "the far side answers every third call with 500 and hangs up on every sixth",
        lasts: (6, 10),
        traits: FAR_SIDE,
    },
    About {
        fault: Fault::FarSideDown,
        row: "B11",
        says: "the far side cannot be reached",
        lasts: (18, 22),
        traits: FAR_SIDE,
    },
    About {
        fault: Fault::FarSideDownOne,
        row: "A6",
        says: "one of two consumers cannot reach the far side",
        lasts: (18, 22),
        traits: FAR_SIDE.within(15, 5),
    },
    About {
        fault: Fault::FarSideSlow,
        row: "B11",
        says: "the far side answers too late, after the service has given the call up",
        lasts: (5, 8),
        traits: FAR_SIDE,
    },
    About {
        fault: Fault::FarSideBusy,
        row: "B11",
        says: "the far side answers two of three calls with 429 and Retry-After",
        lasts: (6, 9),
        traits: FAR_SIDE,
    },
    About {
        fault: Fault::FarSideRefuses,
        row: "B11",
        says: "the far side refuses some transactions for good, with 400",
        lasts: (4, 6),
        traits: FAR_SIDE,
    },
    About {
        fault: Fault::FarSideSickPart,
        row: "B11",
        says: "every call for a quarter of the transactions is answered with 500",
        lasts: (14, 18),
        traits: FAR_SIDE.within(10, 5),
    },
    About {
        fault: Fault::FarSideWave,
        row: "B11",
        says: "every call is answered with 404 for a few seconds",
        lasts: (4, 6),
        traits: Traits {
            bounds: Bounds {
                brushed_off_max: 20,
                ..Bounds::NONE
            },
            ..FAR_SIDE
        },
    },
    About {
        fault: Fault::FarSideLimits,
        row: "B11",
        says: "the far side answers what is more than 100 calls a second with 429 and Retry-After",
        lasts: (8, 10),
        traits: FAR_SIDE.within(60, 5),
    },
    About {
        fault: Fault::FarSideHalfOpen,
        row: "B11",
        says: "the far side keeps its connections, and closes each just as the next request comes",
        lasts: (8, 12),
        traits: Traits {
            bounds: Bounds {
                first_attempts_only: true,
                ..Bounds::NONE
            },
            ..FAR_SIDE
        }
        .within(10, 5),
    },
];

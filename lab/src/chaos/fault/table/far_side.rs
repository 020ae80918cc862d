//! Faults of what the work calls: row B11.

use super::{About, FAR_SIDE};
use crate::chaos::fault::Fault;

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
];

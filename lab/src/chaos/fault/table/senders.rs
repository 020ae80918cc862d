//! Faults of those who send: C3, C10 and group E.

use super::{About, USUAL};
use crate::chaos::fault::Fault;

pub(super) const FAULTS: &[About] = &[
    About {
        fault: Fault::ClientsLeave,
        row: "C3",
        says: "half of the senders leave within 5 ms",
        lasts: (6, 10),
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
];

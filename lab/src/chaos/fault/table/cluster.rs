//! Faults of a broker of three nodes.

use super::{About, CLUSTER};
use crate::chaos::fault::Fault;

pub(super) const FAULTS: &[About] = &[
    About {
        fault: Fault::ClusterLeaderKill,
        row: "B2",
        says: "kill -9 the node that leads the queue",
        lasts: (5, 9),
        traits: CLUSTER,
    },
    About {
        fault: Fault::ClusterRollingRestart,
        row: "B1",
        says: "stop and start the nodes in turn",
        lasts: (1, 2),
        traits: CLUSTER,
    },
    About {
        fault: Fault::ClusterMinorityCut,
        row: "B4",
        says: "cut one node off from the two others",
        lasts: (8, 14),
        traits: CLUSTER,
    },
];

//! Faults of the broker, its connections and its messages: group B.

use super::{ALONE, About, LOSES_MESSAGES, REDELIVERS, Traits, USUAL};
use crate::chaos::fault::Fault;

/// The broker drops messages, each of which becomes a dead letter and is published again.
const DROPS: Traits = Traits {
    dead_letters: true,
    ..ALONE
};

pub(super) const FAULTS: &[About] = &[
    About {
        fault: Fault::BrokerStop,
        row: "B1",
        says: "rabbitmqctl stop_app, and start_app",
        lasts: (8, 12),
        traits: USUAL,
    },
    About {
        fault: Fault::BrokerStopQuarter,
        row: "B1",
        says: "the same for a quarter of an hour",
        lasts: (900, 905),
        traits: Traits {
            rare: true,
            ..ALONE
        },
    },
    About {
        fault: Fault::BrokerKill,
        row: "B2",
        says: "kill -9 the broker, and start it again",
        lasts: (2, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpReset,
        row: "B3",
        says: "the broker's connections are reset, again and again",
        lasts: (4, 8),
        traits: REDELIVERS,
    },
    About {
        fault: Fault::AmqpCut,
        row: "B3",
        says: "the broker's connections are cut amid a frame, again and again",
        lasts: (4, 8),
        traits: REDELIVERS,
    },
    About {
        fault: Fault::AmqpBlackhole,
        row: "B4",
        says: "nothing passes to the broker or from it, and nobody is told",
        lasts: (22, 30),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpDeaf,
        row: "B4",
        says: "one direction of the broker's connections is dead",
        lasts: (22, 30),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpSlow,
        row: "B5",
        says: "1 KB per second to and from the broker",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::AmqpDelay,
        row: "B5",
        says: "half a second more for every piece to and from the broker",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::BrokerFailover,
        row: "B4",
        says: "every connection to the broker is dead without a word, and new ones pass",
        lasts: (22, 30),
        traits: USUAL.within(45, 5),
    },
    About {
        fault: Fault::BrokerCutOne,
        row: "A6",
        says: "nothing passes between the broker and one of two consumers",
        lasts: (22, 30),
        traits: USUAL.within(45, 5),
    },
    About {
        fault: Fault::BrokerAlarm,
        row: "B6",
        says: "the broker is short of memory, then of disk, and blocks who publishes",
        lasts: (6, 10),
        traits: USUAL,
    },
    About {
        fault: Fault::QueueDeleted,
        row: "B7",
        says: "the queue is deleted with everything in it",
        lasts: (4, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::QueueReplaced,
        row: "B7",
        says: "the queue is deleted, and another kind stands under its name",
        lasts: (5, 8),
        traits: USUAL,
    },
    About {
        fault: Fault::Unroutable,
        row: "B8",
        says: "the queue is deleted again and again: what is published cannot be routed",
        lasts: (4, 6),
        traits: USUAL,
    },
    About {
        fault: Fault::QueueExpires,
        row: "B14",
        says: "a policy deletes the queue while no consumer is there",
        lasts: (8, 10),
        traits: ALONE.within(60, 5),
    },
    About {
        fault: Fault::QueueTtl,
        row: "B14",
        says: "a policy lets messages expire while no consumer is there",
        lasts: (8, 10),
        traits: DROPS.within(60, 5),
    },
    About {
        fault: Fault::QueueMaxLength,
        row: "B14",
        says: "a policy drops what is more than ten messages, while no consumer is there",
        lasts: (8, 10),
        traits: DROPS.within(60, 5),
    },
    About {
        fault: Fault::QueueRejectsPublish,
        row: "B14",
        says: "a policy has the broker refuse what is more than ten messages, while no consumer is there",
        lasts: (8, 10),
        traits: ALONE.within(60, 5),
    },
    About {
        fault: Fault::QueuePurged,
        row: "B14",
        says: "an operator purges the queue while no consumer is there: nobody is told",
        lasts: (5, 8),
        traits: Traits {
            mixes: false,
            ..LOSES_MESSAGES
        },
    },
    About {
        fault: Fault::Backlog,
        row: "B15",
        says: "a consumer dies while more than 10,000 messages wait",
        lasts: (1, 1),
        traits: ALONE,
    },
    About {
        fault: Fault::ConsumerTimeout,
        row: "B9",
        says: "the broker gives up consumers that hold a delivery for longer than five seconds",
        lasts: (8, 12),
        traits: Traits {
            mixes: false,
            delay_ms: 8000,
            ..REDELIVERS
        },
    },
    About {
        fault: Fault::PoisonMessages,
        row: "B10",
        says: "messages that are no id, the id of nothing, empty, and 1 MB",
        lasts: (2, 4),
        traits: ALONE,
    },
    About {
        fault: Fault::PoisonWork,
        row: "B11",
        says: "work that kills its process, several times in a row",
        lasts: (6, 9),
        traits: Traits {
            mixes: false,
            ..REDELIVERS
        },
    },
    About {
        fault: Fault::DuplicateMessages,
        row: "B12",
        says: "a hundred messages of each of some ids, finished and unfinished ones",
        lasts: (3, 5),
        traits: USUAL,
    },
    About {
        fault: Fault::CredentialsRevoked,
        row: "B13",
        says: "the broker's password changes, and changes back",
        lasts: (5, 9),
        traits: USUAL,
    },
    About {
        fault: Fault::VhostRemoved,
        row: "B13",
        says: "the virtual host goes with everything in it, and comes back empty",
        lasts: (4, 6),
        traits: USUAL,
    },
];

//! What each fault is.

mod broker;
mod cluster;
mod database;
mod embedded;
mod far_side;
mod processes;
mod senders;
mod together;

use std::time::Duration;

use super::Fault;
use crate::chaos::{check::Bounds, world::Kind};

/// One fault.
pub(in crate::chaos) struct About {
    pub(in crate::chaos) fault: Fault,
    /// Its row of the fault matrix.
    pub(in crate::chaos) row: &'static str,
    pub(in crate::chaos) says: &'static str,
    /// How long it lasts at least and at most, in seconds.
    pub(in crate::chaos) lasts: (u16, u16),
    pub(in crate::chaos) traits: Traits,
}

/// In what a fault differs from most.
pub(in crate::chaos) struct Traits {
    pub(in crate::chaos) ground: Kind,
    /// What is noted as published may be gone without a trace, so the check lets the outbox's quarter of an hour pass at
    /// once. Where there is a trace, the service is to find it.
    pub(in crate::chaos) loses_messages: bool,
    /// Messages come back so often that the broker may give them up.
    pub(in crate::chaos) dead_letters: bool,
    /// A consumer may lose its lease and not know, so that two runs of one id overlap.
    pub(in crate::chaos) overlaps: bool,
    /// Whether it is one of those that a mixed soak draws from.
    pub(in crate::chaos) mixes: bool,
    /// Whether it runs only if it is asked for by name: it takes too long for every day.
    pub(in crate::chaos) rare: bool,
    /// Whether the work is a call, whatever it is otherwise.
    pub(in crate::chaos) far_side: bool,
    /// How long the work takes, in milliseconds.
    pub(in crate::chaos) delay_ms: u64,
    /// How many times the usual rate.
    pub(in crate::chaos) times: f64,
    /// What is promised under it beyond what always is.
    pub(in crate::chaos) bounds: Bounds,
}

const USUAL: Traits = Traits {
    ground: Kind::Usual,
    loses_messages: false,
    dead_letters: false,
    overlaps: false,
    mixes: true,
    rare: false,
    far_side: false,
    delay_ms: 1000,
    times: 1.0,
    bounds: Bounds::NONE,
};

/// What is noted as published may be gone, and nothing tells so.
const LOSES_MESSAGES: Traits = Traits {
    loses_messages: true,
    ..USUAL
};
/// Deliveries are taken from their consumers, again and again.
const REDELIVERS: Traits = Traits {
    dead_letters: true,
    ..USUAL
};
/// A consumer cannot know that it has been given up.
const OVERLAPS: Traits = Traits {
    overlaps: true,
    ..USUAL
};
/// Not beside others.
const ALONE: Traits = Traits {
    mixes: false,
    ..USUAL
};
const CLUSTER: Traits = Traits {
    ground: Kind::Cluster,
    ..ALONE
};
const FAR_SIDE: Traits = Traits {
    far_side: true,
    ..ALONE
};
const EMBEDDED: Traits = Traits {
    ground: Kind::Embedded,
    ..ALONE
};

const EMBEDDED_POSTGRES: Traits = Traits {
    ground: Kind::EmbeddedPostgres,
    ..ALONE
};

impl Traits {
    /// The same, and everything that the far side did not fail itself is final within so many seconds, and nobody goes
    /// without a 202 for longer than so many.
    const fn within(self, final_s: u64, accepts_s: u64) -> Self {
        Self {
            bounds: Bounds {
                final_within: Some(Duration::from_secs(final_s)),
                accepts_within: Some(Duration::from_secs(accepts_s)),
                ..self.bounds
            },
            ..self
        }
    }
}

/// Every fault, by what it hits.
pub(in crate::chaos) const TABLE: [&[About]; 8] = [
    together::FAULTS,
    processes::FAULTS,
    broker::FAULTS,
    cluster::FAULTS,
    far_side::FAULTS,
    database::FAULTS,
    senders::FAULTS,
    embedded::FAULTS,
];

/// Every fault.
pub(in crate::chaos) fn all() -> impl Iterator<Item = &'static About> {
    TABLE.into_iter().flatten()
}

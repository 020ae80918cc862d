//! In what faults differ.

use std::time::Duration;

use crate::chaos::{check::Bounds, world::Kind};

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
    pub(in crate::chaos) downstream: bool,
    /// How long the work takes, in milliseconds.
    pub(in crate::chaos) delay_ms: u64,
    /// How many times the usual rate.
    pub(in crate::chaos) times: f64,
    /// What is promised under it beyond what always is.
    pub(in crate::chaos) bounds: Bounds,
}

pub(super) const USUAL: Traits = Traits {
    ground: Kind::Usual,
    loses_messages: false,
    dead_letters: false,
    overlaps: false,
    mixes: true,
    rare: false,
    downstream: false,
    delay_ms: 1000,
    times: 1.0,
    bounds: Bounds::NONE,
};

/// What is noted as published may be gone, and nothing tells so.
pub(super) const LOSES_MESSAGES: Traits = Traits {
    loses_messages: true,
    ..USUAL
};
/// Deliveries are taken from their consumers, again and again.
pub(super) const REDELIVERS: Traits = Traits {
    dead_letters: true,
    ..USUAL
};
/// A consumer cannot know that it has been given up.
pub(super) const OVERLAPS: Traits = Traits {
    overlaps: true,
    ..USUAL
};
/// Not beside others.
pub(super) const ALONE: Traits = Traits {
    mixes: false,
    ..USUAL
};
/// The broker drops messages, each of which becomes a dead letter and is published again.
pub(super) const DROPS: Traits = Traits {
    dead_letters: true,
    ..ALONE
};
pub(super) const REDELIVERS_AND_OVERLAPS: Traits = Traits {
    overlaps: true,
    ..REDELIVERS
};
pub(super) const CLOCK: Traits = Traits {
    ground: Kind::Clock,
    bounds: Bounds {
        accepts_within: Some(Duration::from_secs(10)),
        ..Bounds::NONE
    },
    ..ALONE
};
pub(super) const CLUSTER: Traits = Traits {
    ground: Kind::Cluster,
    ..ALONE
};
pub(super) const DOWNSTREAM: Traits = Traits {
    downstream: true,
    ..ALONE
};
/// Nobody is given up for what everybody was told.
pub(super) const WAVE: Traits = Traits {
    bounds: Bounds {
        brushed_off_max: 20,
        ..Bounds::NONE
    },
    ..DOWNSTREAM
};
/// It costs nobody a second attempt.
pub(super) const FIRST_ATTEMPTS: Traits = Traits {
    bounds: Bounds {
        first_attempts_only: true,
        ..Bounds::NONE
    },
    ..DOWNSTREAM
};
pub(super) const EMBEDDED: Traits = Traits {
    ground: Kind::Embedded,
    ..ALONE
};
pub(super) const EMBEDDED_POSTGRES: Traits = Traits {
    ground: Kind::EmbeddedPostgres,
    ..ALONE
};

impl Traits {
    /// The same, and not beside others.
    pub(super) const fn alone(self) -> Self {
        Self {
            mixes: false,
            ..self
        }
    }

    /// The same, and only if it is asked for.
    pub(super) const fn rare(self) -> Self {
        Self { rare: true, ..self }
    }

    /// The same, and everything that downstream did not fail itself is final within so many seconds, and nobody goes
    /// without a 202 for longer than so many.
    pub(super) const fn within(self, final_s: u64, accepts_s: u64) -> Self {
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

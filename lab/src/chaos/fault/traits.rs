//! In what faults differ.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::chaos::{check::Bounds, world::Kind};

/// In what a fault differs from most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Traits {
    /// The servers that it needs.
    pub(crate) servers: Kind,
    /// What is noted as published may be gone without a trace, so the check lets the outbox's quarter of an hour pass at
    /// once. Where there is a trace, the service is to find it.
    pub(crate) loses_messages: bool,
    /// Messages come back so often that the broker may give them up.
    pub(crate) dead_letters: bool,
    /// Whether it is one of those that a mixed soak draws from.
    pub(crate) mixes: bool,
    /// Whether it runs only if it is asked for by name: it takes too long for every day.
    pub(crate) rare: bool,
    /// Whether the work is a call, whatever it is otherwise.
    pub(crate) downstream: bool,
    /// How long the work takes, in milliseconds.
    pub(crate) delay_ms: u64,
    /// How many times the usual rate.
    pub(crate) times: f64,
    /// What is promised under it beyond what always is.
    pub(crate) bounds: Bounds,
}

pub(super) const USUAL: Traits = Traits {
    servers: Kind::Usual,
    loses_messages: false,
    dead_letters: false,
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
/// A consumer cannot know that it has been given up, so that two runs of one id overlap.
pub(super) const OVERLAPS: Traits = USUAL.overlapping();
/// Not beside others.
pub(super) const ALONE: Traits = USUAL.alone();
/// It looks how long what is in flight takes from then on.
pub(super) const TIMED: Traits = Traits {
    bounds: Bounds {
        times_itself: true,
        ..Bounds::NONE
    },
    ..ALONE
};
/// The broker drops messages, each of which becomes a dead letter and is published again.
pub(super) const DROPS: Traits = Traits {
    dead_letters: true,
    ..ALONE
};
pub(super) const CLOCK: Traits = Traits {
    servers: Kind::Clock,
    bounds: Bounds {
        accepts_within: Some(Duration::from_secs(10)),
        times_itself: true,
        ..Bounds::NONE
    },
    ..ALONE
};
pub(super) const CLUSTER: Traits = ALONE.on(Kind::Cluster);
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
pub(super) const EMBEDDED: Traits = ALONE.on(Kind::Embedded);
pub(super) const EMBEDDED_POSTGRES: Traits = ALONE.on(Kind::EmbeddedPostgres);

impl Traits {
    /// The same, on other servers.
    pub(super) const fn on(mut self, servers: Kind) -> Self {
        self.servers = servers;
        self
    }

    /// The same, and not beside others.
    pub(super) const fn alone(mut self) -> Self {
        self.mixes = false;
        self
    }

    /// The same, and only if it is asked for.
    pub(super) const fn rare(mut self) -> Self {
        self.rare = true;
        self
    }

    /// The same, and two runs of one id may overlap.
    pub(super) const fn overlapping(mut self) -> Self {
        self.bounds.may_overlap = true;
        self
    }

    /// The same, and everything that downstream did not fail itself is final within so many seconds, and nobody goes
    /// without a 202 for longer than so many.
    pub(super) const fn within(mut self, final_s: u64, accepts_s: u64) -> Self {
        self.bounds.final_within = Some(Duration::from_secs(final_s));
        self.bounds.accepts_within = Some(Duration::from_secs(accepts_s));
        self
    }

    /// Those of several faults in one run: whatever one of them needs or may do. What several may cost together, nobody
    /// promises.
    pub(crate) fn of_all(all: impl Iterator<Item = Self>) -> Result<Self> {
        let mut together = Self {
            bounds: Bounds::NONE,
            delay_ms: 0,
            ..USUAL
        };
        let mut servers = None;
        for one in all {
            let known = servers.unwrap_or(one.servers);
            ensure!(
                known == one.servers || !(known.is_embedded() || one.servers.is_embedded()),
                "faults of the one process do not mix with others"
            );
            servers = Some(known.max(one.servers));
            together.loses_messages |= one.loses_messages;
            together.dead_letters |= one.dead_letters;
            together.downstream |= one.downstream;
            together.bounds.may_overlap |= one.bounds.may_overlap;
            together.delay_ms = together.delay_ms.max(one.delay_ms);
            together.times = together.times.max(one.times);
        }
        together.servers = servers.context("there is nothing to inject")?;
        Ok(together)
    }
}

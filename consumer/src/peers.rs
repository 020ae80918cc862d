//! Who else is there: which consumers still renew their leases, by this process's own clock. The database's clock may
//! be set forward or back while everybody is well, and a consumer that is dead may have left a lease that runs for
//! hours by it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use entity::lifecycle::{self, Pass, lease::Renewal};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Metrics, Tenancy};

/// Looks in the length of a lease.
const LOOKS: u32 = 4;
/// Entries of the outbox that one statement reads.
const READ_MAX: u64 = 10_000;
/// Looks of one pass that fail one after the other, each at less than the one before: then it is not for their length.
const FAILURES_MAX: u32 = 8;
/// How far ahead of ours the clock of whoever made an id may be.
const AHEAD_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a dead consumer is remembered, and what it holds looked for again: a statement of its own that was under
/// way when it was marked may still have taken something. Longer than any statement runs.
const REMEMBERED: Duration = Duration::from_secs(15);

/// What looks at the others' leases have shown so far.
#[derive(Default)]
pub(crate) struct Peers {
    /// Each with its last renewal, and when that was first seen.
    seen: HashMap<Uuid, (Renewal, Instant)>,
    last_look: Option<Instant>,
}

/// What a look has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// These have not renewed their leases for so long that they must be dead.
    pub(crate) silent: Vec<(Uuid, Renewal)>,
    /// Some other one has renewed its lease since the last look.
    pub(crate) renewed: bool,
}

impl Peers {
    /// Takes in a look.
    pub(crate) fn see(&mut self, renewals: HashMap<Uuid, Renewal>, now: Instant) -> Seen {
        let gap = self.last_look.map(|at| now - at).unwrap_or_default();
        self.last_look = Some(now);
        let mut seen = Seen::default();
        self.seen.retain(|id, _| renewals.contains_key(id));
        for (id, renewal) in renewals {
            let (last, since) = self.seen.entry(id).or_insert((renewal, now));
            if last.alive_until != renewal.alive_until {
                seen.renewed = true;
                *since = now;
            } else if gap > renewal.length / 2 {
                // We have been away, or the database has; so may it have been.
                *since = now;
            }
            *last = renewal;
            // By both clocks half of it is enough: a living consumer would have renewed its lease twice.
            let silence = match renewal.has_run_out {
                true => renewal.length / 2,
                false => renewal.length,
            };
            if now.saturating_duration_since(*since) >= silence {
                seen.silent.push((id, renewal));
            }
        }
        seen
    }

    /// Whether the last look has shown nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

/// Looks after what dead consumers have left, until `stop`.
pub(crate) async fn reclaim(
    db: DatabaseConnection,
    tenancy: Tenancy,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let Tenancy::Shared { lease, .. } = tenancy else {
        return;
    };
    let mut every = tokio::time::interval(lease / LOOKS);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reclaimer = Reclaimer {
        db,
        metrics,
        peers: Peers::default(),
        dead: HashMap::new(),
        pass: Pass::default(),
    };
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if let Err(error) = reclaimer.step(&stop).await {
            tracing::warn!(event = "peers_look_failed", %error, "could not look for dead consumers");
        }
    }
}

struct Reclaimer {
    db: DatabaseConnection,
    metrics: Arc<Metrics>,
    peers: Peers,
    /// Since when each has been known to be dead.
    dead: HashMap<Uuid, Instant>,
    pass: Pass,
}

impl Reclaimer {
    /// Marks those that have died since, and makes due what the dead hold.
    async fn step(&mut self, stop: &CancellationToken) -> Result<(), DbErr> {
        let renewals = lifecycle::lease::renewals(&self.db).await?;
        for (consumer, renewal) in self.peers.see(renewals, Instant::now()).silent {
            if lifecycle::lease::bury(&self.db, consumer, renewal).await? {
                tracing::warn!(event = "lease_expired", %consumer, "a consumer has not renewed its lease: it is dead");
            }
        }
        let marked = lifecycle::lease::dead(&self.db).await?;
        self.dead.retain(|consumer, _| marked.contains(consumer));
        let now = Instant::now();
        for consumer in &marked {
            self.dead.entry(*consumer).or_insert(now);
        }
        if marked.is_empty() {
            return Ok(());
        }
        self.free(&marked, stop).await?;
        let old: Vec<Uuid> = (self.dead.iter())
            .filter(|(_, since)| now.saturating_duration_since(**since) >= REMEMBERED)
            .map(|(consumer, _)| *consumer)
            .collect();
        match old.is_empty() {
            true => Ok(()),
            false => lifecycle::lease::forget(&self.db, &old).await,
        }
    }

    /// One pass over the outbox.
    async fn free(&mut self, dead: &[Uuid], stop: &CancellationToken) -> Result<(), DbErr> {
        let end = Pass::now() + AHEAD_MAX_MS;
        let (mut freed, mut failures) = (0, 0);
        self.pass.restart();
        while let Some(range) = self.pass.range(end)
            && !stop.is_cancelled()
        {
            let began = Instant::now();
            match lifecycle::lease::reclaim(&self.db, dead, range, READ_MAX).await {
                Ok(look) => {
                    self.pass.looked(range, &look, READ_MAX, began.elapsed());
                    freed += look.ids.len();
                    failures = 0;
                }
                Err(error) => {
                    self.pass.failed();
                    failures += 1;
                    // To begin anew would be to come here anew, with a span that has grown meanwhile.
                    if failures > FAILURES_MAX {
                        return Err(error);
                    }
                }
            }
        }
        self.metrics.reclaimed(freed);
        if freed > 0 {
            tracing::warn!(
                event = "reclaimed",
                freed,
                "made due again what dead consumers held"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(8);
    const TICK: Duration = Duration::from_secs(2);

    struct Scene {
        peers: Peers,
        now: Instant,
        id: Uuid,
        renewal: Renewal,
    }

    impl Scene {
        fn new() -> Self {
            let mut scene = Self {
                peers: Peers::default(),
                now: Instant::now(),
                id: Uuid::now_v7(),
                renewal: Renewal {
                    alive_until: 1_000_000,
                    length: LEASE,
                    has_run_out: false,
                    embedded: false,
                },
            };
            assert_eq!(scene.look(), Seen::default());
            scene
        }

        fn look(&mut self) -> Seen {
            self.peers.see([(self.id, self.renewal)].into(), self.now)
        }

        fn tick(&mut self) -> Seen {
            self.now += TICK;
            self.look()
        }

        fn dies(&self) -> Seen {
            Seen {
                silent: vec![(self.id, self.renewal)],
                renewed: false,
            }
        }
    }

    #[test]
    fn who_renews_lives_whatever_the_databases_clock_says() {
        let mut scene = Scene::new();
        // An hour forward: it looks long over. An hour back: it seems to run for an hour.
        for (alive_until, has_run_out) in [(3_600_000, true), (500, false), (2000, true)] {
            for renewal in 0..4 {
                scene.renewal.alive_until = alive_until + renewal;
                scene.renewal.has_run_out = has_run_out;
                let seen = scene.tick();
                assert!(seen.renewed && seen.silent.is_empty());
            }
        }
    }

    #[test]
    fn who_is_silent_for_the_length_of_its_lease_is_dead() {
        let mut scene = Scene::new();
        for _ in 1..4 {
            assert_eq!(scene.tick(), Seen::default());
        }
        assert_eq!(scene.tick(), scene.dies());
    }

    #[test]
    fn by_both_clocks_half_of_it_is_enough() {
        let mut scene = Scene::new();
        scene.renewal.has_run_out = true;
        assert_eq!(scene.tick(), Seen::default());
        assert_eq!(scene.tick(), scene.dies());
    }

    #[test]
    fn an_outage_of_the_database_is_nobodys_death() {
        let mut scene = Scene::new();
        scene.renewal.has_run_out = true;
        scene.now += Duration::from_secs(600);
        assert_eq!(scene.look(), Seen::default());
        assert_eq!(scene.tick(), Seen::default());
        assert_eq!(scene.tick(), scene.dies());
    }

    #[test]
    fn who_has_ended_its_lease_is_forgotten() {
        let mut scene = Scene::new();
        assert!(!scene.peers.is_empty());
        assert_eq!(scene.peers.see(HashMap::new(), scene.now), Seen::default());
        assert!(scene.peers.is_empty());
    }
}

//! Faults of the connections: which ones, what happens to them, whom it hits, and how it heals.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::Result;
use rand::RngExt as _;
use testbed::proxy::{Mode, Proxy, Way};

use crate::chaos::world::{Peer, Whom, World};

/// How many webhooks must be in flight before they are cut off, at most.
const IN_FLIGHT: i64 = 30_000;
/// How long to wait for them.
const FILL_WITHIN: Duration = Duration::from_secs(14);
/// Long enough for every connection to be reset.
const MOMENT: Duration = Duration::from_millis(50);
/// A moment, and the pause until the next, in milliseconds.
const NOW_AND_THEN: Rhythm = (50..500, 200..1500);
/// As long away as it is there, in milliseconds.
const FLAPPING: Rhythm = (3000..3001, 3000..3001);

/// How long something is broken, and how long it is not.
type Rhythm = (Range<u64>, Range<u64>);

/// How connections break.
pub(super) struct Break {
    /// Who is at the other end of them.
    peer: Peer,
    does: Does,
    whom: Whom,
    heals: Heals,
    rhythm: Option<Rhythm>,
}

/// What happens to connections, as a proxy's [`Mode`] has it.
pub(super) enum Does {
    /// Everything passes; only [`Heals`] says what is broken.
    Nothing,
    Reset,
    /// Amid a message, after so many bytes, by the seed.
    Cut(Range<u64>),
    Blackhole,
    /// One direction is dead, by the seed.
    DeafOneWay,
    DeafToAnswers,
    DelayMs(u64),
    Drip(u32),
    Refuse,
}

/// Which connections are good afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heals {
    /// Those that stood go on.
    Same,
    /// Those that stood are reset at the end, and new ones pass.
    OldReset,
    /// Those that stood hang for good, from the beginning and without a word; only new ones pass.
    NewOnly,
}

impl Break {
    /// All such connections, until it is mended.
    pub(super) fn of(peer: Peer, does: Does) -> Self {
        Self {
            peer,
            whom: Whom::All,
            heals: Heals::Same,
            // What hits at once is over at once, so it comes again and again.
            rhythm: matches!(does, Does::Reset | Does::Cut(_)).then_some(NOW_AND_THEN),
            does,
        }
    }

    pub(super) fn hits(self, whom: Whom) -> Self {
        Self { whom, ..self }
    }

    pub(super) fn heals(self, heals: Heals) -> Self {
        Self { heals, ..self }
    }

    pub(super) fn flapping(self) -> Self {
        let rhythm = Some(FLAPPING);
        Self { rhythm, ..self }
    }

    /// What the proxies are told.
    fn mode(&self, world: &mut World<'_>) -> Mode {
        match &self.does {
            Does::Nothing => Mode::Pass,
            Does::Reset => Mode::Reset,
            Does::Cut(after) => Mode::CutAfter(world.random.random_range(after.clone())),
            Does::Blackhole => Mode::Blackhole,
            Does::DeafOneWay if world.random.random_bool(0.5) => Mode::Deaf(Way::ToServer),
            Does::DeafOneWay | Does::DeafToAnswers => Mode::Deaf(Way::ToClient),
            Does::DelayMs(more) => Mode::Delay(Duration::from_millis(*more)),
            Does::Drip(rate) => Mode::Drip(*rate),
            Does::Refuse => Mode::Refuse,
        }
    }

    /// The proxies that it hits, this time: all if those that were picked have nothing to do with this peer.
    fn hit<'w>(&self, world: &'w mut World<'_>) -> Vec<&'w Proxy> {
        let whom = world.hit(self.whom).into_iter();
        let picked = whom.filter_map(|at| world.instances[at].proxy(self.peer));
        let picked: Vec<&Proxy> = picked.collect();
        match picked.is_empty() {
            true => world.proxies(self.peer).collect(),
            false => picked,
        }
    }
}

/// Breaks the connections, and mends them.
pub(super) async fn strike(world: &mut World<'_>, lasts: Duration, how: Break) -> Result<()> {
    let mode = how.mode(world);
    let Some((broken, whole)) = &how.rhythm else {
        return once(world, lasts, &how, mode).await;
    };
    let repeated = world.repeat(lasts, async |world| {
        let lasts = Duration::from_millis(world.random.random_range(broken.clone()));
        once(world, lasts, &how, mode).await?;
        world.hold_about(whole.clone()).await
    });
    repeated.await
}

async fn once(world: &mut World<'_>, lasts: Duration, how: &Break, mode: Mode) -> Result<()> {
    for proxy in how.hit(world) {
        if how.heals == Heals::NewOnly {
            proxy.lose();
        }
        proxy.set(mode);
    }
    world.hold(lasts).await?;
    if how.heals == Heals::OldReset {
        world.set_all(how.peer, Mode::Reset);
        world.hold(MOMENT).await?;
    }
    world.set_all(how.peer, Mode::Pass);
    Ok(())
}

/// The same, once as much as possible is in flight.
pub(super) async fn in_flight(world: &mut World<'_>, lasts: Duration, how: Break) -> Result<()> {
    let start = Instant::now();
    let mut rows = 0;
    while rows < IN_FLIGHT && start.elapsed() < FILL_WITHIN {
        world.hold(Duration::from_millis(500)).await?;
        rows = world.db.unfinished().await?.rows;
    }
    let noted = format!("{rows} in flight at the first cut");
    world.notes.push(noted);
    strike(world, lasts, how).await
}

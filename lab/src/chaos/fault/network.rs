//! Faults of the connections: what the proxies do, to whom, and how it heals.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rand::RngExt as _;
use testbed::proxy::{Mode, Proxy, Way};

use super::Fault;
use crate::chaos::world::{Peer, Role, World};

/// How many webhooks must be in flight before they are cut off, at most.
const IN_FLIGHT: i64 = 30_000;
/// How long to wait for them.
const FILL_WITHIN: Duration = Duration::from_secs(14);
/// A moment, and the pause until the next, in milliseconds.
const NOW_AND_THEN: Rhythm = (50..500, 200..1500);
/// As long away as it is there, in milliseconds.
const FLAPPING: Rhythm = (3000..3001, 3000..3001);

/// How long something is broken, and how long it is not.
type Rhythm = (Range<u64>, Range<u64>);

/// How connections break.
struct Break {
    /// Who is at the other end of them.
    peer: Peer,
    mode: Mode,
    whom: Whom,
    heals: Heals,
    rhythm: Option<Rhythm>,
    /// Whether everything is to be in flight first.
    in_flight: bool,
}

/// Whose connections break.
#[derive(Clone, Copy)]
enum Whom {
    All,
    /// Those of one process in this role, by the seed. The others of its role have work enough for one more.
    One(Role),
    /// Each time those of all, or of one.
    OneOrAll,
}

/// Which connections are good afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heals {
    /// Those that stood.
    Same,
    /// New ones only, and at once: those that stood are lost from the beginning, without a word.
    New,
    /// New ones only: those that stood are reset at the end.
    Told,
}

impl Break {
    /// All such connections, until it is mended.
    fn of(peer: Peer, mode: Mode) -> Self {
        Self {
            peer,
            mode,
            whom: Whom::All,
            heals: Heals::Same,
            // What hits at once is over at once, so it comes again and again.
            rhythm: matches!(mode, Mode::Reset | Mode::CutAfter(_)).then_some(NOW_AND_THEN),
            in_flight: false,
        }
    }

    fn of_one(self, role: Role) -> Self {
        let whom = Whom::One(role);
        Self { whom, ..self }
    }

    /// Now of one and then of all.
    fn by_chance(self) -> Self {
        let whom = Whom::OneOrAll;
        Self { whom, ..self }
    }

    fn healing(self, heals: Heals) -> Self {
        Self { heals, ..self }
    }

    fn flapping(self) -> Self {
        let rhythm = Some(FLAPPING);
        Self { rhythm, ..self }
    }

    fn in_flight(self) -> Self {
        let in_flight = true;
        Self { in_flight, ..self }
    }

    /// What `fault` does to connections, if it is about them.
    fn by(fault: Fault, world: &mut World<'_>) -> Option<Self> {
        let way = match world.random.random_bool(0.5) {
            true => Way::ToServer,
            false => Way::ToClient,
        };
        let mut cut = |after| Mode::CutAfter(world.random.random_range(after));
        Some(match fault {
            Fault::AmqpReset => Self::of(Peer::Broker, Mode::Reset).by_chance(),
            Fault::InFlightCut => Self::of(Peer::Broker, Mode::Reset).by_chance().in_flight(),
            Fault::AmqpCut => Self::of(Peer::Broker, cut(200..20_000)).by_chance(),
            Fault::AmqpBlackhole => Self::of(Peer::Broker, Mode::Blackhole),
            Fault::BrokerCutOne => Self::of(Peer::Broker, Mode::Blackhole).of_one(Role::Consumer),
            Fault::BrokerFailover => Self::of(Peer::Broker, Mode::Pass).healing(Heals::New),
            Fault::BrokerFlapping => Self::of(Peer::Broker, Mode::Reset).flapping(),
            Fault::AmqpDeaf => Self::of(Peer::Broker, Mode::Deaf(way)),
            Fault::AmqpSlow => Self::of(Peer::Broker, Mode::Drip(1024)),
            Fault::AmqpDelay => Self::of(Peer::Broker, Mode::Delay(Duration::from_millis(500))),
            Fault::DatabaseReset => Self::of(Peer::Database, Mode::Reset).by_chance(),
            Fault::DatabaseCut => Self::of(Peer::Database, cut(200..20_000)).by_chance(),
            Fault::DatabaseBlackhole => Self::of(Peer::Database, Mode::Blackhole),
            Fault::DatabaseCutOne => {
                Self::of(Peer::Database, Mode::Blackhole).of_one(Role::Consumer)
            }
            Fault::DatabaseFailover => Self::of(Peer::Database, Mode::Pass).healing(Heals::New),
            Fault::DatabaseFailoverOne => Self::of(Peer::Database, Mode::Pass)
                .of_one(Role::Consumer)
                .healing(Heals::New),
            Fault::DatabaseFlapping => Self::of(Peer::Database, Mode::Reset).flapping(),
            // Answers that come late must not come at all: their connections are dead by then.
            Fault::DatabaseAnswersLost => {
                Self::of(Peer::Database, Mode::Deaf(Way::ToClient)).healing(Heals::Told)
            }
            Fault::DatabaseSlow => {
                Self::of(Peer::Database, Mode::Delay(Duration::from_millis(300)))
            }
            Fault::HttpReset => Self::of(Peer::Senders, Mode::Reset).by_chance(),
            Fault::HttpCut => Self::of(Peer::Senders, cut(100..3000)).by_chance(),
            Fault::DownstreamDown => Self::of(Peer::Downstream, Mode::Refuse),
            Fault::DownstreamDownOne => {
                Self::of(Peer::Downstream, Mode::Refuse).of_one(Role::Consumer)
            }
            Fault::HttpAnswersLost => Self::of(Peer::Senders, Mode::Deaf(Way::ToClient)),
            _ => return None,
        })
    }
}

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let how = Break::by(fault, world).context("this is no fault of the connections")?;
    if how.in_flight {
        fill(world).await?;
    }
    match &how.rhythm {
        Some(rhythm) => again_and_again(world, &how, rhythm, lasts).await,
        None => once(world, &how, lasts).await,
    }
}

/// The proxies that a fault is about, this time.
fn hit<'w>(world: &'w mut World<'_>, how: &Break) -> Vec<&'w Proxy> {
    let one = match how.whom {
        Whom::All => None,
        Whom::One(role) => Some(world.pick(role)),
        Whom::OneOrAll => {
            let one = world.random.random_range(0..world.instances.len());
            world.random.random_bool(0.5).then_some(one)
        }
    };
    match one.and_then(|one| world.instances[one].proxy(how.peer)) {
        Some(proxy) => vec![proxy],
        None => world.proxies(how.peer).collect(),
    }
}

async fn once(world: &mut World<'_>, how: &Break, lasts: Duration) -> Result<()> {
    for proxy in hit(world, how) {
        if how.heals == Heals::New {
            proxy.lose();
        }
        proxy.set(how.mode);
    }
    world.hold(lasts).await?;
    if how.heals == Heals::Told {
        world.set_all(how.peer, Mode::Reset);
        world.hold(Duration::from_millis(50)).await?;
    }
    world.set_all(how.peer, Mode::Pass);
    Ok(())
}

async fn again_and_again(
    world: &mut World<'_>,
    how: &Break,
    (broken, whole): &Rhythm,
    lasts: Duration,
) -> Result<()> {
    let repeated = world.repeat(lasts, async |world| {
        for proxy in hit(world, how) {
            proxy.set(how.mode);
        }
        let lasts = world.random.random_range(broken.clone());
        world.hold(Duration::from_millis(lasts)).await?;
        world.set_all(how.peer, Mode::Pass);
        let lasts = world.random.random_range(whole.clone());
        world.hold(Duration::from_millis(lasts)).await
    });
    repeated.await
}

/// Waits until as much as possible is in flight.
async fn fill(world: &mut World<'_>) -> Result<()> {
    let start = Instant::now();
    let mut rows = 0;
    while rows < IN_FLIGHT && start.elapsed() < FILL_WITHIN {
        world.hold(Duration::from_millis(500)).await?;
        rows = world.db.unfinished().await?.rows;
    }
    world
        .notes
        .push(format!("{rows} in flight at the first cut"));
    Ok(())
}

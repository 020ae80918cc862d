//! Faults of the connections: what the proxies do.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::RngExt as _;

use super::Fault;
use crate::chaos::{
    proxy::{Mode, Proxy, Way},
    world::{Instance, World},
};

/// How many webhooks must be in flight before they are cut off, at most.
const IN_FLIGHT: i64 = 30_000;
/// How long to wait for them.
const FILL_WITHIN: Duration = Duration::from_secs(14);

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let way = match world.random.random_bool(0.5) {
        true => Way::ToServer,
        false => Way::ToClient,
    };
    let (which, mode): (fn(&Instance) -> Option<&Proxy>, Mode) = match fault {
        Fault::AmqpReset | Fault::InFlightCut => (amqp, Mode::Reset),
        Fault::AmqpCut => (amqp, cut(world, 200..20_000)),
        Fault::AmqpBlackhole => (amqp, Mode::Blackhole),
        Fault::AmqpDeaf => (amqp, Mode::Deaf(way)),
        Fault::AmqpSlow => (amqp, Mode::Drip(1024)),
        Fault::AmqpDelay => (amqp, Mode::Delay(Duration::from_millis(500))),
        Fault::DatabaseReset => (database, Mode::Reset),
        Fault::DatabaseCut => (database, cut(world, 200..20_000)),
        Fault::DatabaseBlackhole => (database, Mode::Blackhole),
        Fault::DatabaseAnswersLost => (database, Mode::Deaf(Way::ToClient)),
        Fault::DatabaseSlow => (database, Mode::Delay(Duration::from_millis(300))),
        Fault::HttpReset => (http, Mode::Reset),
        Fault::HttpCut => (http, cut(world, 100..3000)),
        _ => (http, Mode::Deaf(Way::ToClient)),
    };
    if fault == Fault::InFlightCut {
        fill(world).await?;
    }
    match mode {
        // What hits at once is over at once, so it comes again and again.
        Mode::Reset | Mode::CutAfter(_) => repeat(world, which, mode, lasts).await,
        _ => {
            world.set_all(which, mode);
            world.hold(lasts).await?;
            if fault == Fault::DatabaseAnswersLost {
                // Answers that come late must not come at all: their connections are dead by now.
                world.set_all(which, Mode::Reset);
                world.hold(Duration::from_millis(50)).await?;
            }
            world.set_all(which, Mode::Pass);
            Ok(())
        }
    }
}

fn amqp(instance: &Instance) -> Option<&Proxy> {
    instance.amqp.as_ref()
}

fn database(instance: &Instance) -> Option<&Proxy> {
    instance.database.as_ref()
}

fn http(instance: &Instance) -> Option<&Proxy> {
    instance.http.as_ref()
}

fn cut(world: &mut World<'_>, after: std::ops::Range<u64>) -> Mode {
    Mode::CutAfter(world.random.random_range(after))
}

/// Breaks the connections of everybody or of one process, for a moment each time.
async fn repeat(
    world: &mut World<'_>,
    which: fn(&Instance) -> Option<&Proxy>,
    mode: Mode,
    lasts: Duration,
) -> Result<()> {
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        let one = world.random.random_range(0..world.instances.len());
        match which(&world.instances[one]) {
            Some(proxy) if world.random.random_bool(0.5) => proxy.set(mode),
            _ => world.set_all(which, mode),
        }
        let broken = world.random.random_range(50..500);
        world.hold(Duration::from_millis(broken)).await?;
        world.set_all(which, Mode::Pass);
        let whole = world.random.random_range(200..1500);
        world.hold(Duration::from_millis(whole)).await?;
    }
    Ok(())
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

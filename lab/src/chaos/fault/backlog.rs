//! A backlog that stands, and a death under it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::chaos::{
    load::Habits,
    world::{Role, World},
};

/// What a consumer may hold: with a second of work each, two of them do less than 400 a second.
const PREFETCH: &str = "200";
/// Messages that wait: more than the relay lets stand before it adds no more of what it is not sure of.
const BACKLOG: u64 = 12_000;
const BACKLOG_MIN: u64 = 10_000;
/// How long it may take until so many do.
const FILL_WITHIN: Duration = Duration::from_secs(60);
/// How many times the usual rate comes in meanwhile, and afterwards: about what is worked on.
const FILL_TIMES: f64 = 10.0;
const STAND_TIMES: f64 = 2.4;
/// How long what a dead consumer held may take to be final. What is published waits behind what stands before it in the
/// queue, which is half a minute's work.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Kills a consumer under a backlog: what it held must not wait behind that.
pub(super) async fn strike(world: &mut World<'_>, _: Duration) -> Result<()> {
    let consumer = world.pick(Role::Consumer);
    let usual_prefetch = world.instances[consumer].variable("PREFETCH");
    let usual_prefetch = usual_prefetch.context("it has no prefetch")?;
    hold_at_most(world, PREFETCH).await?;
    let usual = *world.habits.borrow();
    let come = |times| Habits { times, ..usual };
    world.habits.send_replace(come(FILL_TIMES));
    let start = Instant::now();
    while world.messages(&world.queue).await? < BACKLOG {
        ensure!(start.elapsed() < FILL_WITHIN, "the backlog does not grow");
        world.hold(LOOK_EVERY).await?;
    }
    world.habits.send_replace(come(STAND_TIMES));

    let held = "SELECT id::text FROM outbox WHERE holder IS NOT NULL";
    let held: Vec<String> = world.db.column(held).await?;
    ensure!(!held.is_empty(), "nobody holds anything");
    let dead = world.pick(Role::Consumer);
    world.kill_and_start(&[dead]).await?;
    let took = world.finish(&held, FINAL_WITHIN).await?;
    let waiting = world.messages(&world.queue).await?;
    world.notes.push(format!(
        "{} in flight at the death were final after {took:.1?}, when {waiting} messages waited",
        held.len()
    ));
    ensure!(waiting > BACKLOG_MIN, "the backlog did not stand");
    world.habits.send_replace(usual);
    hold_at_most(world, &usual_prefetch).await
}

/// Starts every consumer anew, with this prefetch.
async fn hold_at_most(world: &mut World<'_>, prefetch: &str) -> Result<()> {
    for instance in &mut world.instances {
        if instance.role == Role::Consumer {
            instance.set("PREFETCH", prefetch);
            instance.stop().await?;
        }
    }
    world.keep().await
}

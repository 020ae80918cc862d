//! A backlog that stands, and a death under it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::chaos::{
    check::Violation,
    load::Habits,
    world::{Role, World},
};

/// What the consumers may hold, so that less is worked on than comes in.
const PREFETCH: &str = "50";
const USUAL_PREFETCH: &str = "50000";
/// Messages that wait: more than the relay lets stand before it adds no more of what it is not sure of.
const BACKLOG: u64 = 12_000;
const BACKLOG_MIN: u64 = 10_000;
/// How long it may take until so many do, and how many times the usual rate comes in meanwhile.
const FILL_WITHIN: Duration = Duration::from_secs(60);
const FILL_TIMES: f64 = 10.0;
/// How long what a dead consumer held may take to be final.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Kills a consumer under a backlog: what it held must not wait behind that.
pub(super) async fn strike(world: &mut World<'_>) -> Result<()> {
    hold_at_most(world, PREFETCH).await?;
    let usual = *world.habits.borrow();
    world.habits.send_replace(Habits {
        times: FILL_TIMES,
        ..usual
    });
    let start = Instant::now();
    while world.messages(&world.queue).await? < BACKLOG {
        ensure!(start.elapsed() < FILL_WITHIN, "the backlog does not grow");
        world.hold(LOOK_EVERY).await?;
    }
    world.habits.send_replace(usual);

    let held = "SELECT id::text FROM outbox WHERE holder IS NOT NULL";
    let held: Vec<String> = world.db.column(held).await?;
    ensure!(!held.is_empty(), "nobody holds anything");
    let dead = world.pick(Role::Consumer);
    world.kill_and_start(dead).await?;
    let open = format!(
        "SELECT count(*) FROM transactions WHERE status = 'PROCESSING' AND id IN ('{}')",
        held.join("', '")
    );
    let start = Instant::now();
    let mut left: i64 = world.db.one(&open).await?;
    while left > 0 && start.elapsed() < FINAL_WITHIN {
        world.hold(LOOK_EVERY).await?;
        left = world.db.one(&open).await?;
    }
    let took = start.elapsed();
    let what = format!("{left} of {} that were in hand", held.len());
    world
        .findings
        .add(Violation::Late, left.unsigned_abs(), &what);
    let waiting = world.messages(&world.queue).await?;
    world.notes.push(format!(
        "{} in hand at the death were final after {took:.1?}, but for {left}; {waiting} messages waited then",
        held.len()
    ));
    ensure!(waiting > BACKLOG_MIN, "the backlog did not stand");
    hold_at_most(world, USUAL_PREFETCH).await
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

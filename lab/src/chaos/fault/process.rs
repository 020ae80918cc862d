//! Faults of the service's own processes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::{RngExt as _, seq::IndexedRandom as _};
use tokio::net::TcpStream;

use super::Fault;
use crate::chaos::world::{Role, World};

/// Where a binary with failpoints can be told to abort.
const FAILPOINTS: [&str; 13] = [
    "receive.before-commit",
    "receive.after-commit",
    "receive.before-answer",
    "relay.before-publish",
    "relay.before-confirm",
    "relay.after-confirm",
    "relay.after-note",
    "consumer.before-take",
    "consumer.after-take",
    "consumer.at-work",
    "consumer.before-finish",
    "consumer.after-finish",
    "consumer.after-ack",
];

/// Deaths in a whole loop over the failpoints.
const DEATHS: u32 = 200;
/// How long a process may live with a failpoint that it does not pass.
const LIVES: Duration = Duration::from_secs(4);
/// Connections that a process with few files is asked for.
const CONNECTIONS: usize = 100;

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    match fault {
        Fault::FailpointLoop => return die_at_failpoints(world, lasts).await,
        Fault::FewFiles => return few_files(world, lasts).await,
        Fault::PauseApi => return pause(world, Role::Api, lasts).await,
        Fault::PauseConsumer | Fault::PauseConsumerMinute => {
            return pause(world, Role::Consumer, lasts).await;
        }
        _ => {}
    }
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        match fault {
            Fault::KillApi => {
                let api = world.pick(Role::Api);
                world.kill_and_start(api).await?;
            }
            Fault::KillConsumer => {
                let consumer = world.pick(Role::Consumer);
                world.kill_and_start(consumer).await?;
            }
            Fault::KillAll => kill_all(world).await?,
            Fault::StopApi => stop(world, Role::Api).await?,
            Fault::StopConsumer => stop(world, Role::Consumer).await?,
            Fault::StopTwice => stop_twice(world).await?,
            _ => mix(world).await?,
        }
        let pause = world.random.random_range(200..1500);
        world.hold(Duration::from_millis(pause)).await?;
    }
    Ok(())
}

/// The death of everything that runs, in the same moment.
async fn kill_all(world: &mut World<'_>) -> Result<()> {
    for instance in &mut world.instances {
        instance.pause();
    }
    for at in 0..world.instances.len() {
        world.instances[at].kill().await?;
    }
    world.keep().await
}

async fn stop(world: &mut World<'_>, role: Role) -> Result<()> {
    let at = world.pick(role);
    if let Err(error) = world.instances[at].stop().await {
        world.findings.note(
            crate::chaos::check::Violation::BadExit,
            format!("{error:#}"),
        );
    }
    world.keep().await
}

async fn stop_twice(world: &mut World<'_>) -> Result<()> {
    let role = *[Role::Api, Role::Consumer]
        .choose(&mut world.random)
        .context("no role")?;
    let at = world.pick(role);
    world.instances[at].stop_at_once().await?;
    world.keep().await
}

async fn pause(world: &mut World<'_>, role: Role, lasts: Duration) -> Result<()> {
    let at = world.pick(role);
    world.instances[at].pause();
    world.hold(lasts).await?;
    world.instances[at].resume();
    Ok(())
}

/// One of each role dies, stops or pauses, while the other of its role goes on.
async fn mix(world: &mut World<'_>) -> Result<()> {
    for role in [Role::Api, Role::Consumer] {
        let at = world.pick(role);
        match world.random.random_range(0..3) {
            0 => world.kill_and_start(at).await?,
            1 => stop(world, role).await?,
            _ => {
                let lasts = Duration::from_millis(world.random.random_range(500..5000));
                pause(world, role, lasts).await?;
            }
        }
    }
    Ok(())
}

/// Every process is told at its start where to abort, and started anew as soon as it has. One that does not come by,
/// and every one of a binary without failpoints, is killed at a random instant.
async fn die_at_failpoints(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let until = Instant::now() + lasts;
    let with_failpoints = world.failpoints.clone();
    let (mut deaths, mut killed) = (0, 0);
    let mut next: Vec<Instant> = vec![Instant::now(); world.instances.len()];
    let usual = world.instances[0].binary.clone();
    let mut round = 0;
    while deaths < DEATHS && Instant::now() < until {
        for (at, next) in next.iter_mut().enumerate() {
            let ended = world.instances[at].has_ended()?;
            if !ended && Instant::now() < *next {
                continue;
            }
            if !ended {
                world.instances[at].kill().await?;
                killed += 1;
            }
            deaths += 1;
            round += 1;
            let lives = match &with_failpoints {
                Some(binary) => {
                    let nth = world.random.random_range(1..=20);
                    let instance = &mut world.instances[at];
                    let point = failpoint(instance.role, round);
                    instance.binary.clone_from(binary);
                    instance.failpoint = Some(format!("{point}:{nth}"));
                    LIVES
                }
                None => Duration::from_millis(world.random.random_range(300..2000)),
            };
            world.restarts += 1;
            world.instances[at].spawn()?;
            *next = Instant::now() + lives;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.tick();
    }
    for at in 0..world.instances.len() {
        world.instances[at].failpoint = None;
        world.instances[at].binary.clone_from(&usual);
        world.kill_and_start(at).await?;
    }
    world.notes.push(format!(
        "{deaths} deaths, {} of them at failpoints",
        deaths - killed
    ));
    Ok(())
}

/// The failpoint for a process of `role`, in turn.
fn failpoint(role: Role, round: usize) -> &'static str {
    let ours = |point: &&&str| point.starts_with("consumer.") == (role == Role::Consumer);
    let points = FAILPOINTS.iter().filter(ours).count();
    let mut points = FAILPOINTS.iter().filter(ours).skip(round / 4 % points);
    points.next().copied().unwrap_or_default()
}

/// One API may open hardly any more files, while many connect to it.
async fn few_files(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let at = world.pick(Role::Api);
    let instance = &world.instances[at];
    let before = instance.limit_files(Some(instance.open_files()? + 3))?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        // The kernel accepts for a process that cannot, until its queue is full.
        let connecting = TcpStream::connect(instance.address());
        if let Ok(connected) = tokio::time::timeout(Duration::from_millis(50), connecting).await {
            connections.push(connected);
        }
    }
    world.hold(lasts).await?;
    drop(connections);
    world.instances[at].limit_files(before).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FAILPOINTS, failpoint};
    use crate::chaos::world::Role;

    #[test]
    fn every_failpoint_has_its_turn() {
        let rounds = 0..200;
        let points: BTreeSet<&str> = rounds
            .flat_map(|round| [Role::Api, Role::Consumer].map(|role| failpoint(role, round)))
            .collect();
        assert_eq!(points, FAILPOINTS.into_iter().collect());
    }
}

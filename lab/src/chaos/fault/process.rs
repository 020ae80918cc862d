//! Faults of the service's own processes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::{RngExt as _, seq::IndexedRandom as _};
use tokio::net::TcpStream;

use super::{Fault, database::TERMINATE};
use crate::chaos::{
    check::Violation,
    world::{Role, World},
};

/// Connections that a process with few files is asked for.
const CONNECTIONS: usize = 100;

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    match fault {
        Fault::FewFiles => return few_files(world, lasts).await,
        Fault::PauseApi => return pause(world, Role::Api, lasts).await,
        Fault::EmbeddedPause => return pause(world, Role::Everything, lasts).await,
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
            Fault::EmbeddedKill | Fault::EmbeddedPostgresKill => {
                let embedded = world.pick(Role::Everything);
                world.kill_and_start(embedded).await?;
            }
            Fault::KillAll => kill_all(world).await?,
            Fault::StopApi => stop(world, Role::Api).await?,
            Fault::StopConsumer => stop(world, Role::Consumer).await?,
            Fault::EmbeddedStop => stop(world, Role::Everything).await?,
            Fault::StopTwice | Fault::EmbeddedStopTwice => stop_twice(world).await?,
            Fault::EmbeddedSecond => second(world).await?,
            Fault::EmbeddedPostgresSecond => {
                // Whatever keeps the second away must outlive the sessions of the first.
                world.db.execute(TERMINATE).await?;
                second(world).await?;
            }
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
        world
            .findings
            .note(Violation::BadExit, format!("{error:#}"));
    }
    world.keep().await
}

async fn stop_twice(world: &mut World<'_>) -> Result<()> {
    let all: Vec<usize> = (0..world.instances.len()).collect();
    let at = *all.choose(&mut world.random).context("nothing runs")?;
    world.instances[at].stop_at_once().await?;
    world.keep().await
}

/// A second process on the same file, or database, must be refused with a sentence, and must not hurt the first.
async fn second(world: &mut World<'_>) -> Result<()> {
    let at = world.pick(Role::Everything);
    match world.instances[at].second().await {
        Ok(said) if said.contains("another hookline") => {}
        Ok(said) => {
            let what = format!("a second process did not say why: {said}");
            world.findings.note(Violation::BadExit, what);
        }
        Err(error) => world
            .findings
            .note(Violation::BadExit, format!("{error:#}")),
    }
    Ok(())
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

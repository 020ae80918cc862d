//! Faults of the service's own processes.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt as _;
use tokio::net::TcpStream;

use super::database::TERMINATE;
use crate::chaos::{
    check::Violation,
    world::{Role, Whom, World},
};

/// Connections that a process with few files is asked for.
const CONNECTIONS: usize = 100;
/// From one blow to the next, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 200..1500;

pub(super) async fn nothing(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    world.hold(lasts).await
}

/// Does `once` at random instants.
async fn again_and_again(
    world: &mut World<'_>,
    lasts: Duration,
    mut once: impl AsyncFnMut(&mut World<'_>) -> Result<()>,
) -> Result<()> {
    let repeated = world.repeat(lasts, async |world| {
        once(world).await?;
        world.hold_about(PAUSE_MS).await
    });
    repeated.await
}

/// `kill -9`, of several in the same moment.
pub(super) async fn kill(world: &mut World<'_>, lasts: Duration, whom: Whom) -> Result<()> {
    let kill = async |world: &mut World<'_>| {
        let whom = world.hit(whom);
        world.kill_and_start(&whom).await
    };
    again_and_again(world, lasts, kill).await
}

pub(super) async fn stop(world: &mut World<'_>, lasts: Duration, whom: Whom) -> Result<()> {
    again_and_again(world, lasts, async |world| stop_once(world, whom).await).await
}

async fn stop_once(world: &mut World<'_>, whom: Whom) -> Result<()> {
    for at in world.hit(whom) {
        if let Err(error) = world.instances[at].stop().await {
            note_bad_exit(world, format!("{error:#}"));
        }
    }
    world.keep().await
}

/// SIGTERM twice in a row.
pub(super) async fn stop_twice(world: &mut World<'_>, lasts: Duration, whom: Whom) -> Result<()> {
    let stop = async |world: &mut World<'_>| {
        for at in world.hit(whom) {
            world.instances[at].stop_at_once().await?;
        }
        world.keep().await
    };
    again_and_again(world, lasts, stop).await
}

/// SIGSTOP for as long as the fault lasts.
pub(super) async fn pause(world: &mut World<'_>, lasts: Duration, whom: Whom) -> Result<()> {
    let whom = world.hit(whom);
    for at in &whom {
        world.instances[*at].pause();
    }
    world.hold(lasts).await?;
    for at in &whom {
        world.instances[*at].resume();
    }
    Ok(())
}

/// One of each role dies, stops or pauses, while the other of its role goes on.
pub(super) async fn mix(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let mix = async |world: &mut World<'_>| {
        for role in [Role::Api, Role::Consumer] {
            match world.random.random_range(0..3) {
                0 => {
                    let one = world.pick(role);
                    world.kill_and_start(&[one]).await?;
                }
                1 => stop_once(world, Whom::One(role)).await?,
                _ => {
                    let lasts = Duration::from_millis(world.random.random_range(500..5000));
                    pause(world, lasts, Whom::One(role)).await?;
                }
            }
        }
        Ok(())
    };
    again_and_again(world, lasts, mix).await
}

/// A second process on the same file or database is started, and must be refused.
pub(super) async fn second(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    again_and_again(world, lasts, refuses_a_second).await
}

/// The same. Whatever keeps the second away must outlive the sessions of the first.
pub(super) async fn second_without_sessions(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let second = async |world: &mut World<'_>| {
        world.db.execute(TERMINATE).await?;
        refuses_a_second(world).await
    };
    again_and_again(world, lasts, second).await
}

/// The second says why it is refused, and does not hurt the first.
async fn refuses_a_second(world: &mut World<'_>) -> Result<()> {
    let at = world.pick(Role::Everything);
    match world.instances[at].second().await {
        Ok(said) if said.contains("another hookline") => {}
        Ok(said) => note_bad_exit(world, format!("a second process did not say why: {said}")),
        Err(error) => note_bad_exit(world, format!("{error:#}")),
    }
    Ok(())
}

fn note_bad_exit(world: &mut World<'_>, what: String) {
    world.findings.note(Violation::BadExit, what);
}

/// One API may open hardly any more files, while many connect to it.
pub(super) async fn few_files(world: &mut World<'_>, lasts: Duration) -> Result<()> {
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

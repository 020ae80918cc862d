//! Deaths at named points, one after the other, at every one of them.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use failpoint::{Death, Point};
use rand::RngExt as _;

use crate::chaos::world::{Role, World};

/// Deaths in a whole loop over several processes.
const DEATHS: u64 = 200;
/// And over one alone, which must die at every point by itself: eight times at each.
const DEATHS_OF_ONE: u64 = 8 * Point::ALL.len() as u64;
/// How long a process may live without passing its point: what is published is noted after five seconds.
const LIVES: Duration = Duration::from_secs(10);
/// How long one lives that is killed at a random instant, in milliseconds.
const RANDOM_LIVES_MS: std::ops::Range<u64> = 300..2000;
/// The passage is 2 to the power of one of these: the first ones are a start's own, the late ones are amid the load.
const PASSAGES: std::ops::Range<u32> = 0..7;
/// Between two looks at the processes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One process's lives, one after the other.
struct Lives {
    /// Where it is to die now; `None` in a binary without failpoints.
    death: Option<Death>,
    until: Instant,
    /// How many there have been.
    count: usize,
}

/// Every process is told at its start where to die, and started anew as soon as it has. One that does not come by is
/// killed and does not count; of a binary without failpoints every one is killed at a random instant.
pub(super) async fn strike(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let until = Instant::now() + lasts;
    let mut lives: Vec<Option<Lives>> = world.instances.iter().map(|_| None).collect();
    let (mut deaths, mut late) = (0, 0);
    let enough = match world.instances.len() {
        1 => DEATHS_OF_ONE,
        _ => DEATHS,
    };
    while deaths < enough && Instant::now() < until {
        for (at, lives) in lives.iter_mut().enumerate() {
            let ended = world.instances[at].has_ended()?;
            if let Some(lives) = lives {
                match (&lives.death, ended) {
                    (Some(death), true) => {
                        let point = death.point.name().to_owned();
                        *world.deaths.entry(point).or_default() += 1;
                        deaths += 1;
                    }
                    (_, false) if Instant::now() < lives.until => continue,
                    (Some(_), false) => late += 1,
                    (None, _) => deaths += 1,
                }
            }
            let count = lives.as_ref().map_or(at, |lives| lives.count + 1);
            *lives = Some(begin(world, at, count).await?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    for instance in &mut world.instances {
        instance.failpoint = None;
        instance.kill().await?;
    }
    world.keep().await?;
    let mut noted = format!("{deaths} deaths at random instants");
    if has_failpoints(world) {
        ensure!(deaths >= enough, "only {deaths} deaths within {lasts:?}");
        noted = format!("{deaths} deaths at failpoints, {late} that did not come by");
    }
    world.notes.push(noted);
    Ok(())
}

fn has_failpoints(world: &World<'_>) -> bool {
    let mut instances = world.instances.iter();
    instances.all(|instance| instance.failpoints.is_some())
}

async fn begin(world: &mut World<'_>, at: usize, count: usize) -> Result<Lives> {
    world.instances[at].kill().await?;
    let (death, lives) = match has_failpoints(world) {
        true => {
            let passage = 1 << world.random.random_range(PASSAGES);
            let death = Death {
                point: point(world.instances[at].role, count),
                nth: NonZeroU32::new(passage).unwrap_or(NonZeroU32::MIN),
            };
            (Some(death), LIVES)
        }
        false => {
            let lives = world.random.random_range(RANDOM_LIVES_MS);
            (None, Duration::from_millis(lives))
        }
    };
    world.instances[at].failpoint = death;
    world.restarts += 1;
    world.instances[at].spawn()?;
    Ok(Lives {
        death,
        until: Instant::now() + lives,
        count,
    })
}

/// The points that a process in `role` passes, in turn.
fn point(role: Role, turn: usize) -> Point {
    let passes = |point: &Point| match role {
        Role::Everything => true,
        Role::Api => !point.name().starts_with("consumer."),
        Role::Consumer => point.name().starts_with("consumer."),
    };
    let points: Vec<Point> = Point::ALL.into_iter().filter(passes).collect();
    points[turn % points.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use failpoint::Point;

    use super::point;
    use crate::chaos::world::Role;

    #[test]
    fn every_failpoint_has_its_turn() {
        let points = |roles: &[Role]| -> BTreeSet<&str> {
            let roles = roles.iter();
            roles
                .flat_map(|role| (0..13).map(|turn| point(*role, turn).name()))
                .collect()
        };
        let all: BTreeSet<&str> = Point::ALL.into_iter().map(Point::name).collect();
        assert_eq!(points(&[Role::Everything]), all);
        assert_eq!(points(&[Role::Api, Role::Consumer]), all);
    }
}

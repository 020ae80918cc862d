//! Faults of downstream.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};

use super::Fault;
use crate::chaos::{
    downstream::{Downstream, Manners},
    world::{CALL_WITHIN, World},
};

/// Longer than a consumer remembers what was answered.
const GOOD_TIMES: Duration = Duration::from_secs(12);
/// Calls per second that a service with a limit takes: fewer than come.
const RATE_MAX: u32 = 100;

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let usual = world
        .downstream
        .as_ref()
        .context("there is no downstream")?;
    let usual = usual.manners();
    let manners = match fault {
        Fault::DownstreamSlow => Manners {
            delay: 2 * CALL_WITHIN,
            ..usual
        },
        Fault::DownstreamBusy => Manners {
            busy: 2.0 / 3.0,
            ..usual
        },
        Fault::DownstreamRefuses => Manners {
            refuse: 0.05,
            ..usual
        },
        Fault::DownstreamSickPart => Manners {
            sick: 0.25,
            ..usual
        },
        Fault::DownstreamWave => Manners {
            brush_off: Some(404),
            ..usual
        },
        Fault::DownstreamLimits => Manners {
            rate_max: Some(RATE_MAX),
            ..usual
        },
        Fault::DownstreamHalfOpen => Manners {
            closes_kept: true,
            ..usual
        },
        _ => Manners {
            fail: 1.0 / 3.0,
            hang_up: 1.0 / 6.0,
            ..usual
        },
    };
    if fault == Fault::DownstreamWave {
        // Who has long been answered well must not be slow to see that he no longer is.
        world.hold(GOOD_TIMES).await?;
    }
    behave(world, manners)?;
    world.hold(lasts).await?;
    note_answers(world);
    match fault {
        // What is refused once is refused for good.
        Fault::DownstreamRefuses => Ok(()),
        _ => behave(world, usual),
    }
}

/// How many calls were answered with what, so far.
fn note_answers(world: &mut World<'_>) {
    let calls = world.downstream.as_ref().map(Downstream::calls);
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for call in calls.unwrap_or_default() {
        let answer = call
            .status
            .map_or("none".to_owned(), |status| status.to_string());
        *answers.entry(answer).or_default() += 1;
    }
    world.notes.push(format!("calls by answer: {answers:?}"));
}

fn behave(world: &World<'_>, manners: Manners) -> Result<()> {
    let downstream = world
        .downstream
        .as_ref()
        .context("there is no downstream")?;
    downstream.set(manners);
    Ok(())
}

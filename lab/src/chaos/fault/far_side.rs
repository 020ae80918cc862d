//! Faults of the far side.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};

use super::Fault;
use crate::chaos::{
    far_side::{FarSide, Manners},
    world::{CALL_WITHIN, World},
};

/// Longer than a consumer remembers what was answered.
const GOOD_TIMES: Duration = Duration::from_secs(12);
/// Calls per second that a service with a limit takes: fewer than come.
const RATE_MAX: u32 = 100;

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let usual = world.far_side.as_ref().context("there is no far side")?;
    let usual = usual.manners();
    let manners = match fault {
        Fault::FarSideSlow => Manners {
            delay: 2 * CALL_WITHIN,
            ..usual
        },
        Fault::FarSideBusy => Manners {
            busy: 2.0 / 3.0,
            ..usual
        },
        Fault::FarSideRefuses => Manners {
            refuse: 0.05,
            ..usual
        },
        Fault::FarSideSickPart => Manners {
            sick: 0.25,
            ..usual
        },
        Fault::FarSideWave => Manners {
            brush_off: Some(404),
            ..usual
        },
        Fault::FarSideLimits => Manners {
            rate_max: Some(RATE_MAX),
            ..usual
        },
        Fault::FarSideHalfOpen => Manners {
            closes_kept: true,
            ..usual
        },
        _ => Manners {
            fail: 1.0 / 3.0,
            hang_up: 1.0 / 6.0,
            ..usual
        },
    };
    if fault == Fault::FarSideWave {
        // Who has long been answered well must not be slow to see that he no longer is.
        world.hold(GOOD_TIMES).await?;
    }
    behave(world, manners)?;
    world.hold(lasts).await?;
    note_answers(world);
    match fault {
        // What is refused once is refused for good.
        Fault::FarSideRefuses => Ok(()),
        _ => behave(world, usual),
    }
}

/// How many calls were answered with what, so far.
fn note_answers(world: &mut World<'_>) {
    let calls = world.far_side.as_ref().map(FarSide::calls);
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
    let far_side = world.far_side.as_ref().context("there is no far side")?;
    far_side.set(manners);
    Ok(())
}

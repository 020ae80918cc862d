//! Faults of the far side.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Fault;
use crate::chaos::{
    far_side::Manners,
    proxy::Mode,
    world::{CALL_WITHIN, World},
};

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let usual = world.far_side.as_ref().context("there is no far side")?;
    let usual = usual.manners();
    let manners = match fault {
        Fault::FarSideDown => {
            world.set_all(|instance| instance.far_side.as_ref(), Mode::Refuse);
            world.hold(lasts).await?;
            world.set_all(|instance| instance.far_side.as_ref(), Mode::Pass);
            return Ok(());
        }
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
        _ => Manners {
            fail: 1.0 / 3.0,
            hang_up: 1.0 / 6.0,
            ..usual
        },
    };
    behave(world, manners)?;
    world.hold(lasts).await?;
    match fault {
        // What is refused once is refused for good.
        Fault::FarSideRefuses => Ok(()),
        _ => behave(world, usual),
    }
}

fn behave(world: &World<'_>, manners: Manners) -> Result<()> {
    let far_side = world.far_side.as_ref().context("there is no far side")?;
    far_side.set(manners);
    Ok(())
}

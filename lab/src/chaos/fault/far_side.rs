//! Faults of the far side.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Fault;
use crate::chaos::{far_side::Manners, proxy::Mode, world::World};

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    if fault == Fault::FarSideDown {
        world.set_all(|instance| instance.far_side.as_ref(), Mode::Refuse);
        world.hold(lasts).await?;
        world.set_all(|instance| instance.far_side.as_ref(), Mode::Pass);
        return Ok(());
    }
    let far_side = world.far_side.as_ref().context("there is no far side")?;
    let usual = far_side.manners();
    far_side.set(Manners {
        fail: 1.0 / 3.0,
        hang_up: 1.0 / 6.0,
        ..usual
    });
    world.hold(lasts).await?;
    let far_side = world.far_side.as_ref().context("there is no far side")?;
    far_side.set(usual);
    Ok(())
}

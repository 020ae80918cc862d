//! Nothing breaks.

use std::time::Duration;

use anyhow::Result;

use super::Fault;
use crate::chaos::world::World;

pub(super) async fn strike(_: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    world.hold(lasts).await
}

//! Servers that are away.

use std::time::Duration;

use anyhow::Result;

use crate::chaos::world::{End, World};

/// Ends the database, the broker, or both at once; [`World::heal`] starts again what is away.
pub(super) async fn away(
    world: &mut World<'_>,
    lasts: Duration,
    database: Option<End>,
    broker: Option<End>,
) -> Result<()> {
    world.servers.end(database, broker).await?;
    world.hold(lasts).await
}

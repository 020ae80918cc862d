//! How a fault strikes.

use std::time::Duration;

use anyhow::Result;

use super::{
    Fault, backlog, broker, clients, cluster, database, downstream, failpoints, messages, network,
    nothing, process, table::Target,
};
use crate::chaos::world::World;

impl Fault {
    /// Breaks something in `world` for about as long as `lasts`, and mends it. What it forgets, [`World::heal`] mends.
    pub(in crate::chaos) async fn strike(
        self,
        world: &mut World<'_>,
        lasts: Duration,
    ) -> Result<()> {
        match self.about().target {
            Target::Nothing => nothing::strike(self, world, lasts).await,
            Target::Process => process::strike(self, world, lasts).await,
            Target::Failpoints => failpoints::strike(self, world, lasts).await,
            Target::Database => database::strike(self, world, lasts).await,
            Target::Broker => broker::strike(self, world, lasts).await,
            Target::Cluster => cluster::strike(self, world, lasts).await,
            Target::Messages => messages::strike(self, world, lasts).await,
            Target::Backlog => backlog::strike(self, world, lasts).await,
            Target::Network => network::strike(self, world, lasts).await,
            Target::Clients => clients::strike(self, world, lasts).await,
            Target::Downstream => downstream::strike(self, world, lasts).await,
        }
    }
}

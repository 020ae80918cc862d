//! Faults of a broker of three nodes.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt as _;
use testbed::rabbitmq::Server;

use crate::chaos::world::World;

/// [`World::heal`] starts it again.
pub(super) async fn kill_leader(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let leader = Server::leader_of(&world.servers.brokers, &world.queue).await?;
    world.servers.brokers[leader].kill().await?;
    world.hold(lasts).await
}

pub(super) async fn restart_in_turn(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    for node in 0..world.servers.brokers.len() {
        world.servers.brokers[node].stop().await?;
        world.hold(lasts).await?;
        world.servers.brokers[node].start_again().await?;
        world.hold(lasts).await?;
    }
    Ok(())
}

/// The leader or a follower, by the seed.
pub(super) async fn cut_one_off(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let leader = Server::leader_of(&world.servers.brokers, &world.queue).await?;
    let nodes = world.servers.brokers.len();
    let alone = (leader + world.random.random_range(0..nodes)) % nodes;
    let which = match alone == leader {
        true => "the leader",
        false => "a follower",
    };
    world.notes.push(format!("{which} was cut off"));
    let (one, others) = apart(&world.servers.brokers, alone);
    one.cut_off(&others).await?;
    world.hold(lasts).await?;
    let (one, others) = apart(&world.servers.brokers, alone);
    one.join_again(&others).await
}

fn apart(nodes: &[Server], alone: usize) -> (&Server, Vec<&Server>) {
    let others = nodes.iter().enumerate();
    let others = others.filter_map(|(at, node)| (at != alone).then_some(node));
    (&nodes[alone], others.collect())
}

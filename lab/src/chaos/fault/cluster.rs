//! Faults of a broker of three nodes.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt as _;
use testbed::rabbitmq::Server;

use super::Fault;
use crate::chaos::world::World;

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    match fault {
        Fault::ClusterLeaderKill => {
            let leader = Server::leader_of(&world.ground.brokers, &world.queue).await?;
            world.ground.brokers[leader].kill().await?;
            world.hold(lasts).await?;
            world.ground.brokers[leader].start_again().await
        }
        Fault::ClusterRollingRestart => {
            for node in 0..world.ground.brokers.len() {
                world.ground.brokers[node].stop().await?;
                world.hold(lasts).await?;
                world.ground.brokers[node].start_again().await?;
                world.hold(lasts).await?;
            }
            Ok(())
        }
        _ => {
            // The leader or a follower, by the seed.
            let leader = Server::leader_of(&world.ground.brokers, &world.queue).await?;
            let nodes = world.ground.brokers.len();
            let alone = (leader + world.random.random_range(0..nodes)) % nodes;
            let is_leader = if alone == leader {
                "the leader"
            } else {
                "a follower"
            };
            world.notes.push(format!("{is_leader} was cut off"));
            cut_off(world, alone).await?;
            world.hold(lasts).await?;
            join_again(world, alone).await
        }
    }
}

async fn cut_off(world: &World<'_>, alone: usize) -> Result<()> {
    let (one, others) = apart(&world.ground.brokers, alone);
    one.cut_off(&others).await
}

async fn join_again(world: &World<'_>, alone: usize) -> Result<()> {
    let (one, others) = apart(&world.ground.brokers, alone);
    one.join_again(&others).await
}

fn apart(nodes: &[Server], alone: usize) -> (&Server, Vec<&Server>) {
    let others = nodes.iter().enumerate();
    let others = others.filter_map(|(at, node)| (at != alone).then_some(node));
    (&nodes[alone], others.collect())
}

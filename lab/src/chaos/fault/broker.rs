//! Faults of the broker itself.

use std::time::{Duration, Instant};

use anyhow::Result;
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use testbed::{proxy::Mode, rabbitmq};

use crate::chaos::world::{Peer, Role, Whom, World};

/// The broker is short of memory, and then of disk.
pub(super) const SHORT_OF_MEMORY_THEN_DISK: [&str; 3] = [
    "set_vm_memory_high_watermark 0",
    "set_vm_memory_high_watermark 0.4; set_disk_free_limit 100000GB",
    "set_disk_free_limit 50MB",
];
/// What the service knows is wrong for a while.
pub(super) const PASSWORD_CHANGES: [&str; 2] = [
    "change_password guest another; close_all_connections revoked",
    "change_password guest guest",
];
/// A policy outlasts the absence of the consumers by this.
const AND_THEN: Duration = Duration::from_secs(4);
/// From one deletion of the queue to the next.
const BETWEEN_DELETIONS: Duration = Duration::from_millis(200);
/// Long enough for every connection to be reset.
const MOMENT: Duration = Duration::from_millis(300);

/// Has the broker run these commands of `rabbitmqctl` one after the other, with as much time between each two.
pub(super) async fn control(world: &mut World<'_>, lasts: Duration, phases: &[&str]) -> Result<()> {
    let between = phases.len().saturating_sub(1).max(1);
    for (turn, phase) in phases.iter().enumerate() {
        if turn > 0 {
            world.hold(lasts / u32::try_from(between)?).await?;
        }
        for command in phase.split("; ") {
            say(world, command).await?;
        }
    }
    Ok(())
}

/// One command, in words.
async fn say(world: &mut World<'_>, command: &str) -> Result<()> {
    let words: Vec<&str> = command.split(' ').collect();
    world.servers.broker()?.control(&words).await.map(drop)
}

pub(super) async fn delete_queue(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    rabbitmq::delete_queue(&world.servers.broker()?.amqp_url(), &world.queue).await?;
    world.hold(lasts).await
}

/// Nobody consumes, and this policy is about what waits; it stands for a little longer than that.
pub(super) async fn policy(world: &mut World<'_>, lasts: Duration, policy: &str) -> Result<()> {
    let set = format!(
        "set_policy chaos ^{}$ {policy} --apply-to queues",
        world.queue
    );
    say(world, &set).await?;
    set_consumers(world, Mode::Reset);
    world.hold(lasts).await?;
    set_consumers(world, Mode::Pass);
    world.hold(AND_THEN).await?;
    say(world, "clear_policy chaos").await
}

/// Nobody consumes, and an operator purges the queue.
pub(super) async fn purge(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    set_consumers(world, Mode::Reset);
    world.hold(lasts).await?;
    let purge = format!("purge_queue {}", world.queue);
    say(world, &purge).await?;
    set_consumers(world, Mode::Pass);
    Ok(())
}

fn set_consumers(world: &mut World<'_>, mode: Mode) {
    for at in world.hit(Whom::Every(Role::Consumer)) {
        if let Some(proxy) = world.instances[at].proxy(Peer::Broker) {
            proxy.set(mode);
        }
    }
}

/// A classic queue under the name of the service's quorum queue.
pub(super) async fn replace_queue(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let url = world.servers.broker()?.amqp_url();
    let queue = world.queue.clone();
    let until = Instant::now() + lasts;
    // The service may be faster and declare its own queue again: then once more.
    while Instant::now() < until {
        rabbitmq::delete_queue(&url, &queue).await?;
        let declared = rabbitmq::on_channel(&url, async |channel| {
            let declared = channel.queue_declare(
                queue.as_str().into(),
                QueueDeclareOptions::durable(),
                FieldTable::default(),
            );
            Ok(declared.await?)
        });
        if declared.await.is_ok() {
            world
                .hold(until.saturating_duration_since(Instant::now()))
                .await?;
        }
    }
    rabbitmq::delete_queue(&url, &queue).await
}

/// The service declares its queue again and again, and finds it gone. One whose declaration is not over is left alone:
/// RabbitMQ 3.10 may not get over that (docs/RELIABILITY.md, "What is not injected").
pub(super) async fn keep_deleting(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let url = world.servers.broker()?.amqp_url();
    let queue = world.queue.clone();
    let repeated = world.repeat(lasts, async |world| {
        // Where there is none there is nobody to count.
        if rabbitmq::consumer_count(&url, &queue).await.unwrap_or(0) > 0 {
            rabbitmq::delete_queue(&url, &queue).await?;
        }
        world.hold(BETWEEN_DELETIONS).await
    });
    repeated.await
}

/// The broker's patience is an environment variable of its own, which each channel reads when it opens.
pub(super) async fn time_out(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    set_patience(world, 5_000, 1_000).await?;
    world.hold(lasts).await?;
    set_patience(world, 1_800_000, 60_000).await
}

async fn set_patience(world: &mut World<'_>, timeout_ms: u32, look_ms: u32) -> Result<()> {
    let set = format!(
        "application:set_env(rabbit, consumer_timeout, {timeout_ms}), \
         application:set_env(rabbit, channel_tick_interval, {look_ms})."
    );
    world.servers.broker()?.evaluate(&set).await?;
    world.set_all(Peer::Broker, Mode::Reset);
    world.hold(MOMENT).await?;
    world.set_all(Peer::Broker, Mode::Pass);
    Ok(())
}

//! Faults of the broker itself.

use std::time::{Duration, Instant};

use anyhow::Result;
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use testbed::{proxy::Mode, rabbitmq};

use super::Fault;
use crate::chaos::world::{Peer, Role, World};

/// A policy outlasts the absence of the consumers by this.
const AND_THEN: Duration = Duration::from_secs(4);
/// From one deletion of the queue to the next.
const BETWEEN_DELETIONS: Duration = Duration::from_millis(200);
/// Long enough for every connection to be reset.
const MOMENT: Duration = Duration::from_millis(300);

pub(super) async fn strike(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    match fault {
        Fault::BrokerStop | Fault::BrokerStopQuarter => {
            control(world, &["stop_app"]).await?;
            world.hold(lasts).await?;
            control(world, &["start_app"]).await
        }
        Fault::BrokerKill => {
            world.ground.broker()?.kill().await?;
            world.hold(lasts).await?;
            world.ground.broker()?.start_again().await
        }
        Fault::BothDown => {
            let (database, broker) = world.ground.both()?;
            tokio::try_join!(database.kill(), broker[0].kill())?;
            world.hold(lasts).await?;
            let (database, broker) = world.ground.both()?;
            tokio::try_join!(database.start_again(), broker[0].start_again()).map(drop)
        }
        Fault::BrokerAlarm => alarm(world, lasts).await,
        Fault::QueueDeleted => {
            rabbitmq::delete_queue(&world.ground.broker()?.amqp_url(), &world.queue).await?;
            world.hold(lasts).await
        }
        Fault::QueueReplaced => replace_queue(world, lasts).await,
        Fault::Unroutable => keep_deleting(world, lasts).await,
        Fault::ConsumerTimeout => time_out(world, lasts).await,
        Fault::CredentialsRevoked => {
            control(world, &["change_password", "guest", "another"]).await?;
            control(world, &["close_all_connections", "revoked"]).await?;
            world.hold(lasts).await?;
            control(world, &["change_password", "guest", "guest"]).await
        }
        Fault::VhostRemoved => {
            control(world, &["delete_vhost", "/"]).await?;
            world.hold(lasts).await?;
            control(world, &["add_vhost", "/"]).await?;
            control(
                world,
                &["set_permissions", "-p", "/", "guest", ".*", ".*", ".*"],
            )
            .await
        }
        _ => under_policy(fault, world, lasts).await,
    }
}

async fn control(world: &mut World<'_>, arguments: &[&str]) -> Result<()> {
    world.ground.broker()?.control(arguments).await.map(drop)
}

/// What the policy that catches the queue says; the last fault needs none.
fn policy(fault: Fault) -> Option<&'static str> {
    match fault {
        Fault::QueueExpires => Some(r#"{"expires":3000}"#),
        Fault::QueueTtl => Some(r#"{"message-ttl":1000}"#),
        Fault::QueueMaxLength => Some(r#"{"max-length":10}"#),
        Fault::QueueRejectsPublish => Some(r#"{"max-length":10,"overflow":"reject-publish"}"#),
        _ => None,
    }
}

/// Nobody consumes, and what waits is what the policy is about; it stands for a little longer than that.
async fn under_policy(fault: Fault, world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let queue = world.queue.clone();
    if let Some(policy) = policy(fault) {
        let pattern = format!("^{queue}$");
        let set = [
            "set_policy",
            "chaos",
            &pattern,
            policy,
            "--apply-to",
            "queues",
        ];
        control(world, &set).await?;
    }
    set_consumers(world, Mode::Reset);
    world.hold(lasts).await?;
    if fault == Fault::QueuePurged {
        control(world, &["purge_queue", &queue]).await?;
    }
    set_consumers(world, Mode::Pass);
    if policy(fault).is_some() {
        world.hold(AND_THEN).await?;
        control(world, &["clear_policy", "chaos"]).await?;
    }
    Ok(())
}

fn set_consumers(world: &World<'_>, mode: Mode) {
    let all = world.instances.iter();
    let consumers = all.filter(|instance| instance.role == Role::Consumer);
    for proxy in consumers.filter_map(|consumer| consumer.proxy(Peer::Broker)) {
        proxy.set(mode);
    }
}

/// Half of the time no memory, and then no disk.
async fn alarm(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    control(world, &["set_vm_memory_high_watermark", "0"]).await?;
    world.hold(lasts / 2).await?;
    control(world, &["set_vm_memory_high_watermark", "0.4"]).await?;
    control(world, &["set_disk_free_limit", "100000GB"]).await?;
    world.hold(lasts / 2).await?;
    control(world, &["set_disk_free_limit", "50MB"]).await
}

/// A classic queue under the name of the service's quorum queue.
async fn replace_queue(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let url = world.ground.broker()?.amqp_url();
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
async fn keep_deleting(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    let url = world.ground.broker()?.amqp_url();
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
async fn time_out(world: &mut World<'_>, lasts: Duration) -> Result<()> {
    set_patience(world, 5_000, 1_000).await?;
    world.hold(lasts).await?;
    set_patience(world, 1_800_000, 60_000).await
}

async fn set_patience(world: &mut World<'_>, timeout_ms: u32, look_ms: u32) -> Result<()> {
    let set = format!(
        "application:set_env(rabbit, consumer_timeout, {timeout_ms}), \
         application:set_env(rabbit, channel_tick_interval, {look_ms})."
    );
    world.ground.broker()?.evaluate(&set).await?;
    world.set_all(Peer::Broker, Mode::Reset);
    world.hold(MOMENT).await?;
    world.set_all(Peer::Broker, Mode::Pass);
    Ok(())
}

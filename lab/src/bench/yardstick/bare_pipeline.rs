//! The pipeline with no service around it: batched insert, publish with pipelined confirms, consume, batched update,
//! grouped ack. Everything runs at once, on the table of the service and on a quorum queue. What it leaves out: HTTP,
//! JSON, validation, the outbox, look-ups, anything that would survive a crash between two steps.

mod consume;
mod insert;
mod publish;
mod tuning;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use sea_orm::sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::mpsc;

pub(in crate::bench) use self::tuning::Tuning;
use crate::bench::site::Site;

/// Batches of inserted ids that may wait for the publisher.
const BATCHES_WAITING: usize = 8;

/// Takes `count` rows all the way; returns how long that took.
pub(in crate::bench) async fn run(
    site: &Site,
    count: u64,
    tuning: Tuning,
    progress: &ProgressBar,
) -> Result<Duration> {
    let broker = site.broker()?;
    let inserts = pool(site, tuning.inserters as u32).await?;
    let updates = pool(site, tuning.updaters as u32).await?;
    // Of the inserts' and the updates' size: a connection each, like the service.
    let publishing = connect(&broker.amqp_url).await?;
    let consuming = connect(&broker.amqp_url).await?;
    let out = publishing.create_channel().await?;
    let back = consuming.create_channel().await?;
    declare(&out, &broker.queue).await?;

    let start = Instant::now();
    let (inserted, to_publish) = mpsc::channel(BATCHES_WAITING);
    tokio::try_join!(
        insert::run(&inserts, count, tuning, inserted),
        publish::run(&out, &broker.queue, tuning.window, to_publish),
        consume::run(&back, &broker.queue, &updates, count, tuning, progress),
    )?;
    let took = start.elapsed();

    publishing.close(200, "done".into()).await?;
    consuming.close(200, "done".into()).await?;
    inserts.close().await;
    updates.close().await;
    Ok(took)
}

async fn pool(site: &Site, connections: u32) -> Result<PgPool> {
    PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .test_before_acquire(false)
        .connect(site.database_url())
        .await
        .context("cannot connect to PostgreSQL")
}

async fn connect(amqp_url: &str) -> Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name("bare pipeline".into());
    Connection::connect(amqp_url, properties)
        .await
        .context("cannot connect to RabbitMQ")
}

async fn declare(channel: &Channel, queue: &str) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(())
}

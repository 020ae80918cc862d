//! The pipeline with no service around it: batched insert, publish with pipelined confirms, consume, batched update,
//! grouped ack. Everything runs at once, on the table of the service and on a quorum queue. What it leaves out: HTTP,
//! JSON, validation, the outbox, look-ups, anything that would survive a crash between two steps.
//!
//! Its tuning is for two cores: batches beyond the 256 below which PostgreSQL loses most, and a window that keeps the
//! broker busy. It was chosen from single measurements of the parts, not by a sweep of the whole.

mod consume;
mod insert;
mod publish;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use lapin::{
    Connection, ConnectionProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use sea_orm::sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::mpsc;

use crate::bench::site::{Broker, Site};

/// Batches of inserted ids that may wait for the publisher.
const BATCHES_WAITING: usize = 8;

/// Takes `count` rows all the way; returns how long that took.
pub(in crate::bench) async fn run(
    site: &Site,
    count: u64,
    progress: &ProgressBar,
) -> Result<Duration> {
    let Broker { amqp_url, queue } = site.broker()?;
    let inserts = pool(site, insert::INSERTERS).await?;
    let updates = pool(site, consume::UPDATERS).await?;
    // A connection each, like the service.
    let publishing = connect(amqp_url).await?;
    let consuming = connect(amqp_url).await?;
    let out = publishing.create_channel().await?;
    let back = consuming.create_channel().await?;
    let mut quorum = FieldTable::default();
    quorum.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    out.queue_declare(
        queue.as_str().into(),
        QueueDeclareOptions::durable(),
        quorum,
    )
    .await?;

    let start = Instant::now();
    let (inserted, to_publish) = mpsc::channel(BATCHES_WAITING);
    tokio::try_join!(
        insert::run(&inserts, count, inserted),
        publish::run(&out, queue, to_publish),
        consume::run(&back, queue, &updates, count, progress),
    )?;
    let took = start.elapsed();

    publishing.close(200, "done".into()).await?;
    consuming.close(200, "done".into()).await?;
    inserts.close().await;
    updates.close().await;
    Ok(took)
}

async fn pool(site: &Site, connections: usize) -> Result<PgPool> {
    let connections = u32::try_from(connections)?;
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

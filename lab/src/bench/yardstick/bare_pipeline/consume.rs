//! Batched updates, and one ack for each.

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use indicatif::ProgressBar;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use sea_orm::sqlx::{self, postgres::PgPool};
use uuid::Uuid;

/// Deliveries that may be unacked.
const PREFETCH: u16 = 16_384;
/// Rows per update, at most.
const BATCH: usize = 1024;
/// Updates at once.
pub(super) const UPDATERS: usize = 2;

const UPDATE: &str = "\
    UPDATE transactions SET status = 'PROCESSED', processed_at = clock_timestamp() \
    WHERE id = ANY($1) AND status = 'PROCESSING'";

/// Consumes `count` messages; returns once the last is acked.
pub(super) async fn run(
    channel: &Channel,
    queue: &str,
    pool: &PgPool,
    count: u64,
    progress: &ProgressBar,
) -> Result<()> {
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let consumer = channel
        .basic_consume(
            queue.into(),
            "bare-pipeline".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    // Updates run beside each other and end in order, so that one ack can speak for everything before it.
    let mut updated = consumer
        .ready_chunks(BATCH)
        .map(|deliveries| update(pool, deliveries))
        .buffered(UPDATERS);
    let mut done = 0;
    while done < count {
        let (rows, tag) = updated
            .next()
            .await
            .context("the consumer was cancelled")??;
        channel
            .basic_ack(tag, BasicAckOptions { multiple: true })
            .await?;
        done += rows;
        progress.set_position(done);
    }
    Ok(())
}

/// Updates the rows of a batch; returns how many, and the last tag.
async fn update(pool: &PgPool, deliveries: Vec<lapin::Result<Delivery>>) -> Result<(u64, u64)> {
    let mut ids = Vec::with_capacity(deliveries.len());
    let mut last = 0;
    for delivery in deliveries {
        let delivery = delivery?;
        ids.push(Uuid::from_slice(&delivery.data)?);
        last = delivery.delivery_tag;
    }
    let outcome = sqlx::query(UPDATE).bind(&ids).execute(pool).await?;
    ensure!(
        outcome.rows_affected() == ids.len() as u64,
        "the bare pipeline has lost rows"
    );
    Ok((outcome.rows_affected(), last))
}

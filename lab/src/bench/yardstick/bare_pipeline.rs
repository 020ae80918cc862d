//! The pipeline with no service around it: batched insert, publish with pipelined confirms, consume, batched update,
//! grouped ack. Everything runs at once, on one table and a quorum queue. What it leaves out: HTTP, JSON, validation, the
//! outbox, look-ups, keys and partitions, anything that would survive a crash between two steps.
//!
//! Its tuning is for two cores: batches beyond the 256 below which PostgreSQL loses most, and a window that keeps the
//! broker busy. It was chosen from single measurements of the parts, not by a sweep of the whole.

use std::{
    collections::VecDeque,
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{pending, try_join_all},
    stream,
};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use sea_orm::sqlx::{
    self,
    postgres::{PgPool, PgPoolOptions},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::bench::{
    load::Ids,
    site::{Broker, Site},
};

/// Rows per insert.
const INSERT_BATCH: usize = 512;
/// Connections that insert.
const INSERTERS: usize = 2;
/// Batches of inserted ids that may wait for the publisher.
const BATCHES_WAITING: usize = 8;
/// Messages on their way to the broker and not confirmed.
const WINDOW: usize = 4096;
/// Deliveries that may be unacked.
const PREFETCH: u16 = 16_384;
/// Rows per update, at most.
const UPDATE_BATCH: usize = 1024;
/// Updates at once.
const UPDATERS: usize = 2;
/// AMQP's delivery mode for messages that survive a restart.
const PERSISTENT: u8 = 2;

const INSERT: &str = "\
    INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) \
    ON CONFLICT (transaction_id) DO NOTHING";

const UPDATE: &str = "\
    UPDATE transactions SET status = 'PROCESSED', processed_at = clock_timestamp() \
    WHERE id = ANY($1) AND status = 'PROCESSING'";

/// Takes `count` rows all the way; returns how long that took.
pub(in crate::bench) async fn run(site: &Site, count: u64) -> Result<Duration> {
    let Broker { amqp_url, queue } = site.broker()?;
    let inserts = pool(site, INSERTERS).await?;
    let updates = pool(site, UPDATERS).await?;
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
        insert_all(&inserts, count, inserted),
        publish_all(&out, queue, to_publish),
        consume_all(&back, queue, &updates, count),
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

/// Inserts `count` rows and passes their ids on, a committed batch at a time.
async fn insert_all(pool: &PgPool, count: u64, inserted: mpsc::Sender<Vec<Uuid>>) -> Result<()> {
    let ids = Ids::unique();
    let batches = (0..count).step_by(INSERT_BATCH);
    let batches =
        batches.map(|from| insert(pool, ids, from..count.min(from + INSERT_BATCH as u64)));
    let mut batches = stream::iter(batches).buffer_unordered(INSERTERS);
    while let Some(ids) = batches.try_next().await? {
        inserted.send(ids).await?;
    }
    Ok(())
}

/// A batch, one array per column.
async fn insert(pool: &PgPool, ids: Ids, numbers: Range<u64>) -> Result<Vec<Uuid>> {
    let row_ids: Vec<Uuid> = numbers.clone().map(|_| Uuid::now_v7()).collect();
    let texts: Vec<String> = numbers.map(|number| ids.text(number)).collect();
    let rows = row_ids.len();
    sqlx::query(INSERT)
        .bind(&row_ids)
        .bind(texts)
        .bind(vec!["acc_user_1"; rows])
        .bind(vec!["acc_merchant_1"; rows])
        .bind(vec![1500_i64; rows])
        .bind(vec!["INR"; rows])
        .execute(pool)
        .await?;
    Ok(row_ids)
}

/// Publishes persistent messages, with many confirms under way, until there are no more ids and all are confirmed.
async fn publish_all(
    channel: &Channel,
    queue: &str,
    mut batches: mpsc::Receiver<Vec<Uuid>>,
) -> Result<()> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let queue = ShortString::from(queue);
    let mut unconfirmed: VecDeque<PublisherConfirm> = VecDeque::new();
    let mut more = true;
    while more || !unconfirmed.is_empty() {
        let room = unconfirmed.len() < WINDOW;
        tokio::select! {
            batch = batches.recv(), if more && room => match batch {
                // They wait together for the socket. Each one's publish and confirm as one future of a stream cost the
                // broker a fifth more.
                Some(ids) => unconfirmed.extend(
                    try_join_all(ids.iter().map(|id| publish(channel, &queue, id))).await?,
                ),
                None => more = false,
            },
            first = oldest(&mut unconfirmed) => {
                accept(&first?)?;
                unconfirmed.pop_front();
                while let Some(next) = unconfirmed.front_mut().and_then(|next| next.now_or_never()) {
                    accept(&next?)?;
                    unconfirmed.pop_front();
                }
            }
        }
    }
    Ok(())
}

async fn publish(
    channel: &Channel,
    queue: &ShortString,
    id: &Uuid,
) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let (exchange, options) = (ShortString::default(), BasicPublishOptions::default());
    channel
        .basic_publish(exchange, queue.clone(), options, id.as_bytes(), properties)
        .await
}

/// Waits for the oldest confirm, which stays where it is.
async fn oldest(unconfirmed: &mut VecDeque<PublisherConfirm>) -> lapin::Result<Confirmation> {
    match unconfirmed.front_mut() {
        Some(oldest) => oldest.await,
        None => pending().await,
    }
}

fn accept(confirmation: &Confirmation) -> Result<()> {
    ensure!(
        matches!(confirmation, Confirmation::Ack(None)),
        "the broker did not take a message: {confirmation:?}"
    );
    Ok(())
}

/// Consumes `count` messages; returns once the last is acked.
async fn consume_all(channel: &Channel, queue: &str, pool: &PgPool, count: u64) -> Result<()> {
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let (tag, options) = ("bare-pipeline".into(), BasicConsumeOptions::default());
    let consumer = channel.basic_consume(queue.into(), tag, options, FieldTable::default());
    // Updates run beside each other and end in order, so that one ack can speak for everything before it.
    let mut updated = consumer
        .await?
        .ready_chunks(UPDATE_BATCH)
        .map(|deliveries| update(pool, deliveries))
        .buffered(UPDATERS);
    let mut done = 0;
    while done < count {
        let batch = updated.try_next().await?;
        let (rows, tag) = batch.context("the consumer was cancelled")?;
        channel
            .basic_ack(tag, BasicAckOptions { multiple: true })
            .await?;
        done += rows;
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

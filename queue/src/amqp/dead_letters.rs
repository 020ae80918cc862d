//! Keeps the dead-letter queue within bounds. What a policy expires or drops is published again and may be expired or
//! dropped again, each time with a dead letter; its arguments cannot be changed any more, so no limit of the broker's holds
//! it.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{Channel, Connection, options::BasicAckOptions, types::ShortString};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{broker::Shared, connection::within, returns::consume, topology::ask};
use crate::Error;

/// Dead letters that are kept for operators; the oldest go first.
const KEPT_MAX: usize = 100_000;
/// Between two counts.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// Dead letters that go at once. Several processes may trim: together they take little more than one would.
const TRIM_BATCH: usize = 1000;
/// Taking one batch out.
const TRIM_WITHIN: Duration = Duration::from_secs(10);

/// Trims until the connection is gone.
pub(super) async fn keep_few(shared: Arc<Shared>, connection: Arc<Connection>) {
    let mut every = interval_at(Instant::now() + TRIM_EVERY, TRIM_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while connection.status().connected() {
        every.tick().await;
        match trim(&connection, &shared.topology.dead_letter, KEPT_MAX).await {
            Ok(0) => {}
            Ok(gone) => tracing::warn!(
                event = "dead_letters_removed",
                gone,
                kept = KEPT_MAX,
                "too many dead letters; removed the oldest"
            ),
            // Whoever publishes over this connection notices when it is lost.
            Err(error) => tracing::debug!(%error, "could not count or remove dead letters"),
        }
    }
}

/// Removes the oldest messages until `max` are left. Returns how many it has removed.
async fn trim(connection: &Connection, queue: &ShortString, max: usize) -> Result<usize, Error> {
    let mut gone = 0;
    loop {
        let taken = within(TRIM_WITHIN, "removing dead letters", async {
            let channel = connection.create_channel().await?;
            let excess = ask(&channel, queue).await?.messages.saturating_sub(max);
            let taken = match excess.min(TRIM_BATCH) {
                0 => 0,
                batch => take_out(&channel, queue, batch).await?,
            };
            // With it go the consumer and what came beyond the batch.
            channel.close(200, "trimmed".into()).await?;
            Ok(taken)
        })
        .await?;
        if taken == 0 {
            return Ok(gone);
        }
        gone += taken;
    }
}

/// Takes the first `count` messages out of a queue for good.
async fn take_out(channel: &Channel, queue: &ShortString, count: usize) -> lapin::Result<usize> {
    let consumer = consume(channel, queue.clone(), "".into(), count as u16).await?;
    let mut messages = consumer.take(count);
    let mut taken = 0;
    let mut last = 0;
    while let Some(message) = messages.next().await {
        last = message?.delivery_tag;
        taken += 1;
    }
    if taken > 0 {
        channel
            .basic_ack(last, BasicAckOptions { multiple: true })
            .await?;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use testbed::{queues, rabbitmq};
    use uuid::Uuid;

    use super::{
        super::{Broker, Settings},
        *,
    };

    #[tokio::test]
    #[ignore = "needs RabbitMQ: run scripts/test"]
    async fn of_too_many_dead_letters_the_oldest_go() {
        let url = testbed::given::rabbitmq().unwrap();
        let queue = format!("test-{}", Uuid::now_v7());
        let settings = Settings {
            url: url.clone(),
            ca: None,
            queue: queue.clone(),
            process: "test".into(),
        };
        let broker = Broker::new(settings).unwrap();
        broker.declare().await.unwrap();
        let dead_letter = queues::dead_letter(&queue);
        for body in ["first", "second", "third", "fourth"] {
            let published = rabbitmq::publish(&url, &dead_letter, body.as_bytes());
            published.await.unwrap();
        }
        let connection = broker.0.address.connect("test", "test").await.unwrap();
        let name = &broker.0.topology.dead_letter;
        assert_eq!(trim(&connection, name, 4).await.unwrap(), 0);
        assert_eq!(trim(&connection, name, 1).await.unwrap(), 3);
        let left = rabbitmq::get_message(&url, &dead_letter).await.unwrap();
        assert_eq!(left.unwrap().body, "fourth");
        queues::delete_all(&url, &queue).await.unwrap();
    }
}

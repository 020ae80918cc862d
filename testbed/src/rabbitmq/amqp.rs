//! What a test does to a queue, each call on a connection of its own.

use anyhow::{Context as _, Result, bail};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Queue,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{FieldTable, ShortString},
};

/// AMQP's delivery mode for messages that survive a restart.
const PERSISTENT: u8 = 2;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The body, which must be UTF-8.
    pub body: String,
    /// The property `message_id`.
    pub message_id: Option<String>,
}

/// Returns how many messages of `queue` are ready to be delivered, exactly and now. The queue must exist.
pub async fn message_count(amqp_url: &str, queue: &str) -> Result<u32> {
    Ok(look(amqp_url, queue).await?.message_count())
}

/// Returns how many consumers `queue` has. The queue must exist.
pub async fn consumer_count(amqp_url: &str, queue: &str) -> Result<u32> {
    Ok(look(amqp_url, queue).await?.consumer_count())
}

async fn look(amqp_url: &str, queue: &str) -> Result<Queue> {
    on_channel(amqp_url, async |channel| {
        let passive = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let queue = channel
            .queue_declare(short(queue)?, passive, FieldTable::default())
            .await?;
        Ok(queue)
    })
    .await
}

/// Deletes `queue` with all its messages. Nothing if it does not exist.
pub async fn delete_queue(amqp_url: &str, queue: &str) -> Result<()> {
    on_channel(amqp_url, async |channel| {
        channel
            .queue_delete(short(queue)?, QueueDeleteOptions::default())
            .await?;
        Ok(())
    })
    .await
}

/// Takes the first message out of `queue` for good, or returns `None` when no message is ready.
pub async fn get_message(amqp_url: &str, queue: &str) -> Result<Option<Message>> {
    on_channel(amqp_url, async |channel| {
        let Some(message) = channel
            .basic_get(short(queue)?, BasicGetOptions { no_ack: true })
            .await?
        else {
            return Ok(None);
        };
        let delivery = message.delivery;
        let message_id = delivery
            .properties
            .message_id()
            .as_ref()
            .map(ToString::to_string);
        Ok(Some(Message {
            body: String::from_utf8(delivery.data)?,
            message_id,
        }))
    })
    .await
}

/// Publishes a persistent message with no property but that to a queue, and returns once the broker has confirmed it.
/// Fails when there is no such queue.
pub async fn publish(amqp_url: &str, queue: &str, body: &[u8]) -> Result<()> {
    publish_copies(amqp_url, queue, body, 1).await
}

/// The same, so many times.
pub async fn publish_copies(amqp_url: &str, queue: &str, body: &[u8], copies: u32) -> Result<()> {
    on_channel(amqp_url, async |channel| {
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        for _ in 0..copies {
            let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
            let confirm = channel
                .basic_publish(short("")?, short(queue)?, options, body, properties)
                .await?;
            match confirm.await? {
                Confirmation::Ack(None) => {}
                Confirmation::Ack(Some(_)) => bail!("there is no queue {queue:?}"),
                other => bail!("the broker did not take the message: {other:?}"),
            }
        }
        Ok(())
    })
    .await
}

/// Connects, does `work` on a channel, and disconnects.
pub async fn on_channel<T>(
    amqp_url: &str,
    work: impl AsyncFnOnce(&Channel) -> Result<T>,
) -> Result<T> {
    let properties =
        ConnectionProperties::default().with_connection_name("hookline testbed".into());
    let connection = Connection::connect(amqp_url, properties)
        .await
        .context("cannot connect to RabbitMQ")?;
    let channel = connection.create_channel().await?;
    let outcome = work(&channel).await;
    // The outcome stands whether or not the broker hears the goodbye.
    let _ = connection.close(200, "done".into()).await;
    outcome
}

/// AMQP's names end at 255 bytes; lapin's own conversion panics on more.
fn short(name: &str) -> Result<ShortString> {
    ShortString::try_new(name).with_context(|| format!("{name:?} is too long for AMQP"))
}

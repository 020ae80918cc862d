//! What we use on the broker: the only file that names exchanges and queues and their arguments.
//!
//! ```text
//! default exchange ──NAME──▶ quorum queue NAME ──rejected, or delivered too often──▶
//! exchange NAME.dead-letter ──▶ quorum queue NAME.dead-letter
//! ```
//!
//! Ids go through the default exchange, to which every queue is bound by its name for as long as it is there
//! (AMQP 0-9-1, 3.1.3.1): there is no binding to lose, and RabbitMQ looks no exchange up. One of our own cost it a
//! seventh of its work on a message.

use std::time::Duration;

use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::connection::within;
use crate::{DELIVERY_LIMIT, Depth, Error};

const DECLARE_WITHIN: Duration = Duration::from_secs(10);

/// The longest name that leaves room for `.dead-letter` in the 255 bytes of an AMQP short string.
const NAME_BYTES_MAX: usize = 200;

/// The names in use. The dead letters' exchange and the queue behind it share one.
pub(super) struct Topology {
    pub(super) queue: ShortString,
    dead_letter: ShortString,
}

/// The default exchange.
pub(super) fn exchange() -> ShortString {
    ShortString::default()
}

impl Topology {
    pub(super) fn new(queue: &str) -> Result<Self, Error> {
        if queue.is_empty() || queue.len() > NAME_BYTES_MAX || queue.starts_with("amq.") {
            return Err(Error::Settings(format!(
                "a queue's name has 1 to {NAME_BYTES_MAX} bytes and does not begin with \"amq.\""
            )));
        }
        Ok(Self {
            queue: queue.into(),
            dead_letter: format!("{queue}.dead-letter").into(),
        })
    }

    /// Declares everything. Idempotent, and the same from either end.
    pub(super) async fn declare(&self, connection: &Connection) -> Result<(), Error> {
        within(DECLARE_WITHIN, "declaring the topology", async {
            let channel = connection.create_channel().await?;
            self.declare_dead_letter(&channel).await?;
            let mut arguments = FieldTable::default();
            arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
            arguments.insert(
                "x-dead-letter-exchange".into(),
                text(self.dead_letter.as_str()),
            );
            arguments.insert(
                "x-dead-letter-routing-key".into(),
                text(self.dead_letter.as_str()),
            );
            declare_queue(&channel, &self.queue, arguments).await?;
            channel.close(200, "declared".into()).await
        })
        .await
        .map_err(mismatch)
    }

    /// A durable direct exchange, and a queue behind it.
    async fn declare_dead_letter(&self, channel: &Channel) -> lapin::Result<()> {
        let name = || self.dead_letter.clone();
        let exchange = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(
                name(),
                ExchangeKind::Direct,
                exchange,
                FieldTable::default(),
            )
            .await?;
        declare_queue(channel, &self.dead_letter, FieldTable::default()).await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(name(), name(), name(), options, FieldTable::default())
            .await
    }

    pub(super) async fn depth(&self, connection: &Connection) -> Result<Depth, Error> {
        within(DECLARE_WITHIN, "counting", async {
            let channel = connection.create_channel().await?;
            let mut counts = [0; 2];
            for (count, queue) in counts.iter_mut().zip([&self.queue, &self.dead_letter]) {
                let options = QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                };
                let queue = channel
                    .queue_declare(queue.clone(), options, FieldTable::default())
                    .await?;
                *count = queue.message_count() as usize;
            }
            Ok(Depth {
                ready: counts[0],
                dead: counts[1],
            })
        })
        .await
    }
}

/// A durable quorum queue.
async fn declare_queue(
    channel: &Channel,
    name: &ShortString,
    mut arguments: FieldTable,
) -> lapin::Result<()> {
    arguments.insert("x-queue-type".into(), text("quorum"));
    channel
        .queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(())
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// 406 on a declaration: it exists and is something else (AMQP 0-9-1, `queue.declare`).
fn mismatch(error: Error) -> Error {
    if let Error::Amqp(lapin) = &error
        && let ErrorKind::ProtocolError(amqp) = lapin.kind()
        && *amqp.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
    {
        return Error::Mismatch(amqp.get_message().to_string());
    }
    error
}

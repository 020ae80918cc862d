//! What we use on the broker: the only file that names exchanges and queues and their arguments.
//!
//! ```text
//! default exchange ──NAME──▶ quorum queue NAME ──rejected, delivered too often, or dropped by a policy──▶
//! exchange NAME.dead-letter ──▶ quorum queue NAME.dead-letter   (for operators)
//!                           └─▶ quorum queue NAME.returned      (for the relay)
//! ```
//!
//! `NAME.returned` came later than the rest, so a deployment may lack it, and a user may lack the right to declare it.
//! Then everything works but that what the broker drops comes back from the outbox alone.
//!
//! Ids go through the default exchange, to which every queue is bound by its name for as long as it is there
//! (AMQP 0-9-1, 3.1.3.1): there is no binding to lose, and RabbitMQ looks no exchange up. One of our own cost it a
//! seventh of its work on a message.

use std::time::Duration;

use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind, Queue,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};

use super::connection::within;
use crate::{Denied, Depth, Error, message::DELIVERY_LIMIT};

const DECLARE_WITHIN: Duration = Duration::from_secs(10);

/// How long a returned message waits for a relay. Longer than the outbox waits before it publishes what was published
/// and not taken, so that what goes by this has long been brought back.
const RETURNED_TTL: Duration = Duration::from_secs(60 * 60);
/// Returned messages that may wait for a relay; the oldest go first.
const RETURNED_LENGTH_MAX: u32 = 1_000_000;
/// The broker removes the queue of the returned when no relay has used it for so long, as after a downgrade.
const RETURNED_EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The longest name that leaves room for `.dead-letter` in the 255 bytes of an AMQP short string.
const NAME_BYTES_MAX: usize = 200;

/// The names in use. The dead letters' exchange and the queue behind it share one.
pub(super) struct Topology {
    pub(super) queue: ShortString,
    pub(super) dead_letter: ShortString,
    pub(super) returned: ShortString,
}

/// The default exchange.
pub(super) fn exchange() -> ShortString {
    ShortString::default()
}

/// Checks a queue's name. Says what would be right, as the rest of a sentence. RabbitMQ takes a line break out of a queue's name and leaves it in
/// the arguments of the declaration, so that whoever has the name right finds a queue with other arguments.
pub fn check_name(queue: &str) -> Result<(), String> {
    let is_clean = queue.trim() == queue && !queue.contains(char::is_control);
    match (1..=NAME_BYTES_MAX).contains(&queue.len()) && !queue.starts_with("amq.") && is_clean {
        true => Ok(()),
        false => Err(format!(
            "must have 1 to {NAME_BYTES_MAX} bytes, none of them a control character and no white space at either end, and \
             not begin with amq."
        )),
    }
}

impl Topology {
    pub(super) fn new(queue: &str) -> Result<Self, Error> {
        check_name(queue).map_err(|right| Error::Settings(format!("AMQP_QUEUE {right}")))?;
        Ok(Self {
            queue: queue.into(),
            dead_letter: format!("{queue}.dead-letter").into(),
            returned: format!("{queue}.returned").into(),
        })
    }

    /// Declares what both ends need. Idempotent, and the same from either end. Sets `is_new` if our queue may be new: what
    /// was in it before is gone. When several declare it at once, more than one may find that; and who got no answer, or a
    /// broken one, has perhaps created it.
    pub(super) async fn declare(
        &self,
        connection: &Connection,
        is_new: &mut bool,
    ) -> Result<(), Error> {
        within(DECLARE_WITHIN, "declaring the topology", async {
            let found = find(connection, &self.queue).await?;
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
            let was_new = std::mem::replace(is_new, true);
            let declared = declare_queue(&channel, &self.queue, arguments).await;
            *is_new = was_new
                || match &declared {
                    Ok(declared) => declared.is_new(found),
                    Err(error) => soft(error).is_none(),
                };
            declared?;
            channel.close(200, "declared".into()).await
        })
        .await
        .map_err(refused)
    }

    /// Declares the queue of the returned behind the dead letters' exchange, which must be there. Returns whether it can be
    /// used: not if the user may not, or if something else has its name.
    pub(super) async fn declare_returned(&self, connection: &Connection) -> Result<bool, Error> {
        let declare = async {
            let channel = connection.create_channel().await?;
            let mut arguments = FieldTable::default();
            let ttl = RETURNED_TTL.as_millis() as i64;
            arguments.insert("x-message-ttl".into(), ttl.into());
            arguments.insert("x-max-length".into(), RETURNED_LENGTH_MAX.into());
            let expires = RETURNED_EXPIRES.as_millis() as i64;
            arguments.insert("x-expires".into(), expires.into());
            declare_queue(&channel, &self.returned, arguments).await?;
            self.bind(&channel, &self.returned).await?;
            channel.close(200, "declared".into()).await
        };
        match within(
            DECLARE_WITHIN,
            "declaring the queue of the returned",
            declare,
        )
        .await
        {
            Ok(()) => Ok(true),
            Err(error) if soft_error(&error).is_some() => {
                tracing::warn!(event = "returned_unusable",
                    %error,
                    queue = self.returned.as_str(),
                    "cannot use the queue of the returned; what the broker drops comes back later, from the outbox"
                );
                Ok(false)
            }
            Err(error) => Err(error),
        }
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
        self.bind(channel, &self.dead_letter).await
    }

    /// Has every dead letter go to `queue`.
    async fn bind(&self, channel: &Channel, queue: &ShortString) -> lapin::Result<()> {
        let exchange = self.dead_letter.clone();
        let key = self.dead_letter.clone();
        let options = QueueBindOptions::default();
        channel
            .queue_bind(queue.clone(), exchange, key, options, FieldTable::default())
            .await
    }

    /// Whether the queue is there. Changes nothing.
    pub(super) async fn is_there(&self, connection: &Connection) -> Result<bool, Error> {
        within(DECLARE_WITHIN, "looking for the queue", async {
            Ok(find(connection, &self.queue).await?.is_some())
        })
        .await
    }

    pub(super) async fn depth(&self, connection: &Connection) -> Result<Depth, Error> {
        within(DECLARE_WITHIN, "counting", async {
            let channel = connection.create_channel().await?;
            let mut counts = [0; 2];
            for (count, queue) in counts.iter_mut().zip([&self.queue, &self.dead_letter]) {
                *count = ask(&channel, queue).await?.messages;
            }
            Ok(Depth {
                ready: counts[0],
                dead: counts[1],
            })
        })
        .await
    }
}

/// What the broker says of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Those that are ready.
    pub(super) messages: usize,
    consumers: u32,
}

impl Counts {
    /// Nobody uses it, and nothing is in it.
    const NONE: Self = Self {
        messages: 0,
        consumers: 0,
    };

    fn of(queue: &Queue) -> Self {
        Self {
            messages: queue.message_count() as usize,
            consumers: queue.consumer_count(),
        }
    }

    /// Whether a queue of which the broker said this when it was declared may have been created by that, if it had been
    /// `found` like that just before: it may have been deleted between the two.
    fn is_new(self, found: Option<Self>) -> bool {
        found.is_none_or(|found| self == Self::NONE && found != Self::NONE)
    }
}

/// Asks for a queue that must be there.
pub(super) async fn ask(channel: &Channel, queue: &ShortString) -> lapin::Result<Counts> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare(queue.clone(), options, FieldTable::default());
    Ok(Counts::of(&queue.await?))
}

/// Asks on a channel of its own, which the answer 404 closes. `None`: it is not there.
async fn find(connection: &Connection, queue: &ShortString) -> lapin::Result<Option<Counts>> {
    let channel = connection.create_channel().await?;
    match ask(&channel, queue).await {
        Ok(counts) => {
            channel.close(200, "asked".into()).await?;
            Ok(Some(counts))
        }
        Err(error) => match soft(&error) {
            Some((AMQPSoftError::NOTFOUND, _)) => Ok(None),
            _ => Err(error),
        },
    }
}

/// A durable quorum queue.
async fn declare_queue(
    channel: &Channel,
    name: &ShortString,
    mut arguments: FieldTable,
) -> lapin::Result<Counts> {
    arguments.insert("x-queue-type".into(), text("quorum"));
    let queue = channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments);
    Ok(Counts::of(&queue.await?))
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// On a declaration 406 says that it exists and is something else, 403 that we may not (AMQP 0-9-1, `queue.declare`).
fn refused(error: Error) -> Error {
    match soft_error(&error) {
        Some((AMQPSoftError::PRECONDITIONFAILED, text)) => Error::Mismatch(text),
        Some((AMQPSoftError::ACCESSREFUSED, _)) => Denied::Queue.into(),
        _ => error,
    }
}

/// An error that ends a channel and leaves its connection alone.
fn soft_error(error: &Error) -> Option<(AMQPSoftError, String)> {
    match error {
        Error::Amqp(error) => soft(error),
        _ => None,
    }
}

fn soft(error: &lapin::Error) -> Option<(AMQPSoftError, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(amqp) => match amqp.kind() {
            AMQPErrorKind::Soft(kind) => Some((kind.clone(), amqp.get_message().to_string())),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn a_queue_that_was_deleted_before_it_was_declared_is_new() {
        let counts = |messages, consumers| Counts {
            messages,
            consumers,
        };
        for (found, declared, is_new) in [
            (None, counts(0, 0), true),
            // Somebody else was quicker, and what had been there is gone in any case.
            (None, counts(3, 1), true),
            (Some(counts(0, 0)), counts(0, 0), false),
            (Some(counts(5, 0)), counts(0, 0), true),
            (Some(counts(0, 2)), counts(0, 0), true),
            (Some(counts(5, 2)), counts(0, 2), false),
            (Some(counts(5, 0)), counts(4, 0), false),
        ] {
            assert_eq!(declared.is_new(found), is_new, "{found:?} {declared:?}");
        }
    }
}

//! What the broker's own dead letters say: messages that left our queue and whose work is not done.

use std::{collections::VecDeque, time::Duration};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{connection::within, ledger::Ledger};
use crate::{Error, Reason, Returned, message::RETURNED_MAX};

/// Subscribing and acking: each call to the broker.
const CALL_WITHIN: Duration = Duration::from_secs(30);

/// A consumer of the returned messages, on a channel of the publisher's connection.
pub(super) struct Returns {
    channel: Channel,
    incoming: Consumer,
    ledger: Ledger,
    /// Acks that are not sent yet: a tag, and whether it stands for all before it.
    acks: VecDeque<(u64, bool)>,
    /// Not handed over yet.
    returned: Vec<Returned>,
}

impl Returns {
    pub(super) async fn open(
        connection: &Connection,
        queue: ShortString,
        consumer_tag: ShortString,
    ) -> Result<Self, Error> {
        within(CALL_WITHIN, "subscribing to what is returned", async {
            let channel = connection.create_channel().await?;
            let incoming = consume(&channel, queue, consumer_tag, RETURNED_MAX as u16).await?;
            Ok(Self {
                channel,
                incoming,
                ledger: Ledger::default(),
                acks: VecDeque::new(),
                returned: Vec::new(),
            })
        })
        .await
    }

    /// Waits for at least one returned message and returns all that are there. What needs no answer of
    /// ours (a consumer has rejected it, or its body is no id) is acked on the way. May be dropped and
    /// called again.
    pub(super) async fn next(&mut self) -> Result<Vec<Returned>, Error> {
        loop {
            self.acknowledge().await?;
            if !self.returned.is_empty() {
                return Ok(std::mem::take(&mut self.returned));
            }
            let messages = (&mut self.incoming).ready_chunks(RETURNED_MAX).next().await;
            let Some(messages) = messages else {
                return Err(Error::Gone(
                    "the broker cancelled the consumer of what returns",
                ));
            };
            for message in messages {
                self.accept(&message?);
            }
        }
    }

    fn accept(&mut self, message: &Delivery) {
        let receipt = message.delivery_tag;
        self.ledger.open(receipt);
        let reason = reason(&message.properties);
        match Uuid::try_parse_ascii(&message.data) {
            Ok(id) if reason != Reason::Rejected => self.returned.push(Returned {
                id,
                reason,
                receipt,
            }),
            Ok(_) | Err(_) => self.ledger.finish(receipt),
        }
    }

    pub(super) async fn settle(&mut self, settled: Vec<Returned>) -> Result<(), Error> {
        for Returned { receipt, .. } in settled {
            self.ledger.finish(receipt);
        }
        self.acknowledge().await
    }

    async fn acknowledge(&mut self) -> Result<(), Error> {
        self.acks.extend(self.ledger.acks().in_order());
        // Taken out before it is sent: lapin queues the frame at the first poll, and a second ack of the
        // same tag would end the channel.
        while let Some((tag, multiple)) = self.acks.pop_front() {
            let ack = self.channel.basic_ack(tag, BasicAckOptions { multiple });
            within(CALL_WITHIN, "acknowledging what is returned", ack).await?;
        }
        Ok(())
    }
}

/// Starts a consumer on a channel that has none. It may hold `prefetch` messages, which must not be 0:
/// on a quorum queue that would mean 2,000.
pub(super) async fn consume(
    channel: &Channel,
    queue: ShortString,
    consumer_tag: ShortString,
    prefetch: u16,
) -> lapin::Result<Consumer> {
    // Before basic.consume, or it does not bind this consumer.
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    channel
        .basic_consume(
            queue,
            consumer_tag,
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
}

/// Why the broker made a dead letter of a message, as it says in its headers. `x-last-death-reason` is
/// new in RabbitMQ 3.13; the first entry of `x-death` has always been the most recent
/// (<https://www.rabbitmq.com/docs/dlx#effects>).
fn reason(properties: &BasicProperties) -> Reason {
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let last = headers.and_then(|headers| headers.get("x-last-death-reason"));
    let word = last.or_else(|| match headers?.get("x-death")? {
        AMQPValue::FieldArray(deaths) => match deaths.as_slice().first()? {
            AMQPValue::FieldTable(death) => death.inner().get("reason"),
            _ => None,
        },
        _ => None,
    });
    match word {
        Some(AMQPValue::LongString(word)) => match word.as_bytes() {
            b"expired" => Reason::Expired,
            b"maxlen" => Reason::MaxLength,
            b"delivery_limit" => Reason::DeliveryLimit,
            b"rejected" => Reason::Rejected,
            _ => Reason::Other,
        },
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    fn text(word: &str) -> AMQPValue {
        AMQPValue::LongString(word.into())
    }

    fn table(key: &str, value: AMQPValue) -> FieldTable {
        let mut table = FieldTable::default();
        table.insert(key.into(), value);
        table
    }

    fn deaths(words: &[&str]) -> AMQPValue {
        let deaths = words.iter().map(|word| table("reason", text(word)));
        let deaths: Vec<AMQPValue> = deaths.map(AMQPValue::FieldTable).collect();
        AMQPValue::FieldArray(FieldArray::from(deaths))
    }

    fn reason_in(headers: FieldTable) -> Reason {
        reason(&BasicProperties::default().with_headers(headers))
    }

    #[test]
    fn the_most_recent_death_says_why_a_message_was_given_up() {
        let headers = table("x-death", deaths(&["expired", "rejected"]));
        assert_eq!(reason_in(headers), Reason::Expired);
        let mut headers = table("x-death", deaths(&["rejected", "expired"]));
        headers.insert("x-last-death-reason".into(), text("maxlen"));
        assert_eq!(reason_in(headers), Reason::MaxLength);
    }

    #[test]
    fn every_word_of_the_broker_is_known_and_others_do_no_harm() {
        let known = [
            ("expired", Reason::Expired),
            ("maxlen", Reason::MaxLength),
            ("delivery_limit", Reason::DeliveryLimit),
            ("rejected", Reason::Rejected),
            ("struck by lightning", Reason::Other),
        ];
        for (word, reason) in known {
            assert_eq!(reason_in(table("x-death", deaths(&[word]))), reason);
        }
        assert_eq!(reason(&BasicProperties::default()), Reason::Other);
        for odd in [text("expired"), deaths(&[]), AMQPValue::Void] {
            assert_eq!(reason_in(table("x-death", odd)), Reason::Other);
        }
    }
}

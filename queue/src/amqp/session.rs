//! One connection's life at the consuming end, from the subscription to the goodbye.

use std::{sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{ReadyChunks, SelectAll},
};
use lapin::{
    Channel, Connection, Consumer,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::{FieldTable, ShortString},
};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use uuid::Uuid;

use super::{
    LinkUp, Shared,
    connection::{self, within},
    ledger::Ledger,
    watchdog::Watchdog,
};
use crate::{BATCH_MAX, Delivery, DeliveryTag, Error, Settlement};

/// Opening, settling and closing: each call to the broker.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks for messages that wait while a consumer with room hears nothing.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// A channel's prefetch travels as 16 bits; zero would mean 2,000 on a quorum queue.
const CHANNEL_PREFETCH_MAX: u32 = u16::MAX as u32;

/// One connection's life.
pub(super) struct Session {
    number: u32,
    connection: Connection,
    channels: Vec<Subscription>,
    incoming: ReadyChunks<SelectAll<Incoming>>,
    watchdog: Watchdog,
    _up: LinkUp,
}

type Incoming =
    futures::stream::BoxStream<'static, (u16, Option<lapin::Result<lapin::message::Delivery>>)>;

/// One channel with its consumer.
struct Subscription {
    channel: Channel,
    consumer_tag: ShortString,
    ledger: Ledger,
}

impl Session {
    pub(super) async fn open(
        shared: &Arc<Shared>,
        prefetch: u32,
        number: u32,
    ) -> Result<Self, Error> {
        let connection = shared.address.connect("consumer", &shared.process).await?;
        shared.topology.declare(&connection).await?;
        let mut channels = Vec::new();
        let mut incoming = SelectAll::new();
        let mut left = prefetch;
        while left > 0 {
            let share = left.min(CHANNEL_PREFETCH_MAX);
            left -= share;
            let index = channels.len() as u16;
            let consumer_tag = ShortString::from(format!(
                "hookline-consumer-{}-{}",
                shared.process,
                index + 1
            ));
            let queue = shared.topology.queue.clone();
            let (channel, consumer) = within(
                CALL_WITHIN,
                "subscribing",
                subscribe(&connection, queue, share as u16, &consumer_tag),
            )
            .await?;
            // A stream that ends is news like any other: the broker has cancelled the consumer.
            let news = consumer.map(Some).chain(futures::stream::iter([None]));
            incoming.push(news.map(move |news| (index, news)).boxed());
            channels.push(Subscription {
                channel,
                consumer_tag,
                ledger: Ledger::default(),
            });
        }
        Ok(Self {
            number,
            connection,
            channels,
            incoming: incoming.ready_chunks(BATCH_MAX),
            watchdog: Watchdog::new(shared.clone(), prefetch),
            _up: shared.consuming.up(),
        })
    }

    /// Passes deliveries and settlements on. `Ok` when the consumer has gone.
    pub(super) async fn run(
        &mut self,
        batches: &mpsc::Sender<Vec<Delivery>>,
        settled: &mut mpsc::Receiver<Vec<(Delivery, Settlement)>>,
    ) -> Result<(), Error> {
        let mut waiting: Vec<Delivery> = Vec::new();
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                settled = settled.recv() => match settled {
                    Some(settled) => self.settle(settled).await?,
                    None => return Ok(()),
                },
                room = batches.reserve(), if !waiting.is_empty() => match room {
                    Ok(room) => room.send(std::mem::take(&mut waiting)),
                    // The consumer is going; what it has settled still comes.
                    Err(_) => waiting.clear(),
                },
                // While the consumer takes nothing, hearing nothing is no fault of the broker's.
                _ = watch.tick(), if waiting.is_empty() => {
                    self.watchdog.look(&self.connection).await?;
                }
                news = self.incoming.next(), if waiting.is_empty() => {
                    self.watchdog.hears();
                    for (index, news) in news.unwrap_or_default() {
                        waiting.extend(self.accept(index, news).await?);
                    }
                }
            }
        }
    }

    /// Takes in one message. One that is no id is of use to nobody: a dead letter, at once.
    async fn accept(
        &mut self,
        index: u16,
        news: Option<lapin::Result<lapin::message::Delivery>>,
    ) -> Result<Option<Delivery>, Error> {
        let Some(message) = news.transpose()? else {
            return Err(Error::Refused("it cancelled the consumer"));
        };
        let subscription = &mut self.channels[usize::from(index)];
        subscription.ledger.open(message.delivery_tag);
        let receipt = DeliveryTag {
            session: self.number,
            channel: index,
            tag: message.delivery_tag,
        };
        match Uuid::try_parse_ascii(&message.data) {
            Ok(id) => {
                self.watchdog.takes();
                Ok(Some(Delivery {
                    id,
                    redelivered: message.redelivered,
                    receipt,
                }))
            }
            Err(_) => {
                tracing::warn!(
                    bytes = message.data.len(),
                    "a message whose body is not an id goes to the dead-letter queue"
                );
                subscription.reject(receipt.tag, false).await?;
                self.acknowledge().await?;
                Ok(None)
            }
        }
    }

    async fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) -> Result<(), Error> {
        for (Delivery { receipt, .. }, settlement) in settled {
            if receipt.session != self.number {
                continue;
            }
            self.watchdog.settles();
            let subscription = &mut self.channels[usize::from(receipt.channel)];
            match settlement {
                Settlement::Ack => subscription.ledger.finish(receipt.tag),
                Settlement::Requeue => subscription.reject(receipt.tag, true).await?,
                Settlement::DeadLetter => subscription.reject(receipt.tag, false).await?,
            }
        }
        self.acknowledge().await
    }

    async fn acknowledge(&mut self) -> Result<(), Error> {
        for subscription in &mut self.channels {
            let acks = subscription.ledger.acks();
            let tags = acks.up_to.into_iter().map(|tag| (tag, true));
            for (tag, multiple) in tags.chain(acks.single.into_iter().map(|tag| (tag, false))) {
                let ack = subscription
                    .channel
                    .basic_ack(tag, BasicAckOptions { multiple });
                within(CALL_WITHIN, "acknowledging", ack).await?;
            }
        }
        Ok(())
    }

    /// Hands back what is unsettled and says goodbye. A nack, unlike a lost connection, is not held
    /// against the message by newer brokers (delivery limit, RabbitMQ 4.3).
    pub(super) async fn close(self) {
        for Subscription {
            channel,
            consumer_tag,
            ..
        } in &self.channels
        {
            let hand_back = async {
                channel
                    .basic_cancel(consumer_tag.clone(), BasicCancelOptions::default())
                    .await?;
                let everything = BasicNackOptions {
                    multiple: true,
                    requeue: true,
                };
                channel.basic_nack(0, everything).await
            };
            if let Err(error) = within(CALL_WITHIN, "handing back", hand_back).await {
                // The broker takes everything back with the connection.
                tracing::debug!(%error, "could not hand back unsettled deliveries");
            }
        }
        connection::close(&self.connection).await;
    }
}

impl Subscription {
    async fn reject(&mut self, tag: u64, requeue: bool) -> Result<(), Error> {
        self.ledger.answer(tag);
        let reject = self
            .channel
            .basic_reject(tag, BasicRejectOptions { requeue });
        within(CALL_WITHIN, "rejecting", reject).await
    }
}

async fn subscribe(
    connection: &Connection,
    queue: ShortString,
    prefetch: u16,
    consumer_tag: &ShortString,
) -> lapin::Result<(Channel, Consumer)> {
    let channel = connection.create_channel().await?;
    // Before basic.consume, or it does not bind this consumer.
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    let consumer = channel
        .basic_consume(
            queue,
            consumer_tag.clone(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok((channel, consumer))
}

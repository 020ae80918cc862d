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
/// With room for fewer deliveries than this on its channels, a session that may hold more opens another one.
const ROOM_MIN: usize = CHANNEL_PREFETCH_MAX as usize / 8;

/// One connection's life.
///
/// A prefetch that is too large for one channel is had by several, each opened only when those before it are nearly
/// full. The broker deals in turn to all that have room, and a batch that comes and is acked on one channel costs it
/// much less than the same on ten. Once they have filled up one after the other they empty in that order, so that
/// mostly one has room.
pub(super) struct Session {
    number: u32,
    shared: Arc<Shared>,
    connection: Connection,
    channels: Vec<Subscription>,
    /// The part of the prefetch that no channel has yet.
    prefetch_left: u32,
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
    prefetch: u16,
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
        let mut session = Self {
            number,
            shared: shared.clone(),
            connection,
            channels: Vec::new(),
            prefetch_left: prefetch,
            incoming: SelectAll::new().ready_chunks(BATCH_MAX),
            watchdog: Watchdog::new(shared.clone(), prefetch),
            _up: shared.consuming.up(),
        };
        session.make_room().await?;
        Ok(session)
    }

    /// Opens as many channels as are needed to have room, if there may be more.
    async fn make_room(&mut self) -> Result<(), Error> {
        while self.prefetch_left > 0 && self.room() < ROOM_MIN {
            let share = self.prefetch_left.min(CHANNEL_PREFETCH_MAX) as u16;
            let index = self.channels.len() as u16;
            let consumer_tag = ShortString::from(format!(
                "hookline-consumer-{}-{}",
                self.shared.process,
                index + 1
            ));
            let queue = self.shared.topology.queue.clone();
            let (channel, consumer) = within(
                CALL_WITHIN,
                "subscribing",
                subscribe(&self.connection, queue, share, &consumer_tag),
            )
            .await?;
            // A stream that ends is news like any other: the broker has cancelled the consumer.
            let news = consumer.map(Some).chain(futures::stream::iter([None]));
            let news = news.map(move |news| (index, news)).boxed();
            self.incoming.get_mut().push(news);
            self.prefetch_left -= u32::from(share);
            self.channels.push(Subscription {
                channel,
                consumer_tag,
                prefetch: share,
                ledger: Ledger::default(),
            });
        }
        Ok(())
    }

    /// How many more deliveries may come on the channels that are open.
    fn room(&self) -> usize {
        let rooms = self.channels.iter().map(Subscription::room);
        rooms.sum()
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
                    self.make_room().await?;
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
    fn room(&self) -> usize {
        usize::from(self.prefetch).saturating_sub(self.ledger.len())
    }

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

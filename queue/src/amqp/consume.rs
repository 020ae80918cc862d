//! The consuming end: a task that keeps a session with the broker alive and passes deliveries one
//! way and settlements the other.

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
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::Uuid;

use super::{
    Broker, LinkUp, Shared,
    connection::{self, within},
    ledger::Ledger,
};
use crate::{BATCH_MAX, Backoff, Delivery, DeliveryTag, Error, Settlement};

/// Opening, settling and closing: each call to the broker.
const CALL_WITHIN: Duration = Duration::from_secs(30);
/// Batches that may wait on their way in either direction.
const BATCHES_WAITING: usize = 16;
/// Between two looks for messages that wait while a consumer with room hears nothing.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// A channel's prefetch travels as 16 bits; zero would mean 2,000 on a quorum queue.
const CHANNEL_PREFETCH_MAX: u32 = u16::MAX as u32;

/// A consumer's deliveries. Dropping it ends the task and with it the connection.
pub struct Deliveries {
    batches: mpsc::Receiver<Vec<Delivery>>,
    settled: mpsc::Sender<Vec<(Delivery, Settlement)>>,
    task: JoinHandle<()>,
}

impl Broker {
    pub(crate) fn deliveries(&self, prefetch: u32) -> Deliveries {
        self.0.consuming.want();
        let (batches_in, batches) = mpsc::channel(BATCHES_WAITING);
        let (settled, settled_out) = mpsc::channel(BATCHES_WAITING);
        let supervisor = Supervisor {
            shared: self.0.clone(),
            prefetch: prefetch.max(1),
            batches: batches_in,
            settled: settled_out,
        };
        Deliveries {
            batches,
            settled,
            task: tokio::spawn(supervisor.run()),
        }
    }
}

impl Deliveries {
    pub(crate) async fn next(&mut self) -> Vec<Delivery> {
        match self.batches.recv().await {
            Some(batch) => batch,
            // The task ends only when this end is dropped.
            None => std::future::pending().await,
        }
    }

    pub(crate) async fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) {
        // An error means that the task is gone, and the connection with it: nothing to settle.
        let _ = self.settled.send(settled).await;
    }

    pub(crate) async fn close(self) {
        drop((self.batches, self.settled));
        // A panic in the task has been reported by the runtime.
        let _ = self.task.await;
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    prefetch: u32,
    batches: mpsc::Sender<Vec<Delivery>>,
    settled: mpsc::Receiver<Vec<(Delivery, Settlement)>>,
}

impl Supervisor {
    /// Session after session, until the other ends are dropped.
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        for number in 1.. {
            let failure = tokio::select! {
                session = Session::open(&self.shared, self.prefetch, number) => match session {
                    Ok(mut session) => {
                        backoff.reset();
                        match session.run(&self.batches, &mut self.settled).await {
                            Ok(()) => return session.close().await,
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                },
                () = forget(&mut self.settled) => return,
            };
            tracing::warn!(error = %failure, "consumer lost the broker; connecting again");
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = forget(&mut self.settled) => return,
            }
        }
    }
}

/// Drops settlements while there is no session: what they settle, the broker delivers again. Returns
/// when the consumer has gone.
async fn forget(settled: &mut mpsc::Receiver<Vec<(Delivery, Settlement)>>) {
    while settled.recv().await.is_some() {}
}

/// One connection's life.
struct Session {
    number: u32,
    connection: Connection,
    channels: Vec<Subscription>,
    incoming: ReadyChunks<SelectAll<Incoming>>,
    watchdog: Watchdog,
    _up: LinkUp,
}

/// Notices a consumer that is attached and forgotten. RabbitMQ 3.10 does that to one whose queue was
/// deleted and declared again at once: no cancel, no error, no delivery.
struct Watchdog {
    shared: Arc<Shared>,
    prefetch: usize,
    unsettled: usize,
    heard: bool,
    /// Messages waited at the last look already.
    suspicious: bool,
}

impl Watchdog {
    /// An error if messages have waited for two looks while there was room and nothing came.
    async fn look(&mut self, connection: &Connection) -> Result<(), Error> {
        let silent = !std::mem::take(&mut self.heard) && self.unsettled < self.prefetch;
        let waits = silent && self.shared.topology.depth(connection).await?.ready > 0;
        match waits && self.suspicious {
            true => Err(Error::Refused("it holds messages and delivers none")),
            false => {
                self.suspicious = waits;
                Ok(())
            }
        }
    }
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
    async fn open(shared: &Arc<Shared>, prefetch: u32, number: u32) -> Result<Self, Error> {
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
            watchdog: Watchdog {
                shared: shared.clone(),
                prefetch: prefetch as usize,
                unsettled: 0,
                heard: false,
                suspicious: false,
            },
            _up: shared.consuming.up(),
        })
    }

    /// Passes deliveries and settlements on. `Ok` when the consumer has gone.
    async fn run(
        &mut self,
        batches: &mpsc::Sender<Vec<Delivery>>,
        settled: &mut mpsc::Receiver<Vec<(Delivery, Settlement)>>,
    ) -> Result<(), Error> {
        let mut waiting: Vec<Delivery> = Vec::new();
        let mut watch = tokio::time::interval(WATCH_EVERY);
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
                _ = watch.tick() => self.watchdog.look(&self.connection).await?,
                news = self.incoming.next(), if waiting.is_empty() => {
                    self.watchdog.heard = true;
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
                self.watchdog.unsettled += 1;
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
            self.watchdog.unsettled = self.watchdog.unsettled.saturating_sub(1);
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
    async fn close(self) {
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

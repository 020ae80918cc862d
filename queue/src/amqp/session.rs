//! One connection's life at the consuming end, from the login to the goodbye.

mod channels;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{FuturesUnordered, SelectAll},
};
use lapin::{Connection, types::ShortString};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use self::channels::{Channels, Held};
use super::{
    broker::Shared,
    connection,
    ends::{Batch, Ends, Settled, Wanted},
    link::LinkUp,
    subscription::{Incoming, News, Subscription},
    watchdog::Watchdog,
};
use crate::{
    Delivery, Error, Settlement,
    message::{BATCH_MAX, DeliveryTag},
};

/// Between two looks for messages that wait while a consumer with room hears nothing.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// A session that has lived for so long has been of use, even if nothing came.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// One connection's life.
///
/// A prefetch that is too large for one channel is had by several, each opened only when those before it are nearly
/// full. The broker deals in turn to all that have room, and a batch that comes and is acked on one channel costs it
/// much less than the same on ten. Once they have filled up one after the other they empty in that order, so that
/// mostly one has room. A consumer's prefetch cannot be changed, so a larger one is had in the same way, and a smaller
/// one by retiring channels: their consumer is cancelled, and what they hold stays until it is settled.
pub(super) struct Session {
    number: u32,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    wanted: Wanted,
    /// By a number that is not used again: what it names stays the same for as long as a delivery may name it.
    channels: BTreeMap<u32, Subscription>,
    channels_opened: u32,
    /// The channel that is being opened: at most one.
    opening: FuturesUnordered<BoxFuture<'static, Result<Opened, Error>>>,
    opening_prefetch: Option<u16>,
    incoming: SelectAll<Incoming>,
    /// Taken in, and not passed on to the consumer.
    waiting: Vec<Delivery>,
    watchdog: Watchdog,
    queue_was_created: bool,
    began: Instant,
    has_delivered: bool,
    _up: LinkUp,
}

struct Opened {
    index: u32,
    subscription: Subscription,
    incoming: Incoming,
}

impl Session {
    /// Connects and declares the topology; subscribes to nothing yet.
    pub(super) async fn open(shared: &Arc<Shared>, number: u32) -> Result<Self, Error> {
        let (connection, queue_was_created) = shared.open("consumer").await?;
        Ok(Self {
            number,
            shared: shared.clone(),
            connection: Arc::new(connection),
            wanted: Wanted::default(),
            channels: BTreeMap::new(),
            channels_opened: 0,
            opening: FuturesUnordered::new(),
            opening_prefetch: None,
            incoming: SelectAll::new(),
            waiting: Vec::new(),
            watchdog: Watchdog::new(shared.clone()),
            queue_was_created,
            began: Instant::now(),
            has_delivered: false,
            _up: shared.consuming.up(),
        })
    }

    /// Whether it had to create the queue.
    pub(super) fn queue_was_created(&self) -> bool {
        self.queue_was_created
    }

    /// Whether the broker has let it do what it is for.
    pub(super) fn has_proven_itself(&self) -> bool {
        self.has_delivered || self.began.elapsed() >= PROVEN_AFTER
    }

    /// Passes deliveries and settlements on, as many as are wanted. `Ok` when the consumer has gone.
    pub(super) async fn run(&mut self, ends: &mut Ends) -> Result<(), Error> {
        self.wanted = *ends.wanted.borrow_and_update();
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.make_room().await?;
            let takes = self.waiting.is_empty();
            tokio::select! {
                settled = ends.settled.recv() => match settled {
                    Some(settled) => self.settle(settled).await?,
                    None => return Ok(()),
                },
                changed = ends.wanted.changed() => {
                    // What was settled before is carried out before; and an error means that nothing comes after.
                    while let Ok(settled) = ends.settled.try_recv() {
                        self.settle(settled).await?;
                    }
                    if changed.is_err() {
                        return Ok(());
                    }
                    let wanted = *ends.wanted.borrow_and_update();
                    self.follow(wanted).await?;
                }
                room = ends.batches.reserve(), if !takes => {
                    let deliveries = std::mem::take(&mut self.waiting);
                    // An error means that the consumer is going; what it has settled still comes.
                    if let Ok(room) = room {
                        let epoch = self.wanted.epoch;
                        room.send(Batch { epoch, deliveries });
                    }
                }
                // While the consumer takes nothing, hearing nothing is no fault of the broker's.
                _ = watch.tick(), if takes => {
                    if !self.connection.status().connected() {
                        return Err(Error::Refused("the connection has ended"));
                    }
                    let has_room = self.held().room() > 0;
                    self.watchdog.start_look(&self.connection, has_room);
                }
                looked = self.watchdog.looked() => looked?,
                Some(opened) = self.opening.next() => self.add(opened?),
                Some(news) = self.incoming.next(), if takes => self.take_in(news).await?,
            }
        }
    }

    /// Makes what is there what is wanted, but for the channels that are missing.
    async fn follow(&mut self, wanted: Wanted) -> Result<(), Error> {
        if wanted.epoch != self.wanted.epoch {
            self.hand_back().await?;
        }
        self.wanted = wanted;
        if self.held().granted() > wanted.prefetch {
            self.finish_opening().await?;
        }
        let mut too_many = self.held().one_too_many();
        while let Some(index) = too_many {
            self.retire(index).await?;
            too_many = self.held().one_too_many();
        }
        Ok(())
    }

    /// Opens another channel if there is little room and there may be more, and lets go of those that are of no use any
    /// more.
    async fn make_room(&mut self) -> Result<(), Error> {
        self.channels
            .retain(|_, channel| !channel.is_retired || channel.ledger.unacked() > 0);
        let Some(prefetch) = self.held().next_prefetch() else {
            return Ok(());
        };
        let too_small = self.held().one_too_small();
        if let Some(index) = too_small {
            self.retire(index).await?;
        }
        self.open_channel(prefetch);
        Ok(())
    }

    fn open_channel(&mut self, prefetch: u16) {
        self.channels_opened += 1;
        let index = self.channels_opened;
        let consumer_tag = format!("hookline-consumer-{}-{index}", self.shared.process);
        let consumer_tag = ShortString::from(consumer_tag);
        let queue = self.shared.topology.queue.clone();
        let connection = self.connection.clone();
        let open = async move {
            let channel = connection.create_channel();
            let (subscription, incoming) =
                Subscription::open(channel, queue, consumer_tag, prefetch, index).await?;
            Ok(Opened {
                index,
                subscription,
                incoming,
            })
        };
        self.opening_prefetch = Some(prefetch);
        self.opening.push(open.boxed());
    }

    /// Waits for the channel that is being opened. One that was given up instead might leave a consumer behind, which lapin
    /// keeps and nobody hears.
    async fn finish_opening(&mut self) -> Result<(), Error> {
        while let Some(opened) = self.opening.next().await {
            self.add(opened?);
        }
        Ok(())
    }

    fn add(&mut self, opened: Opened) {
        self.opening_prefetch = None;
        self.incoming.push(opened.incoming);
        self.channels.insert(opened.index, opened.subscription);
    }

    async fn retire(&mut self, index: u32) -> Result<(), Error> {
        match self.channels.get_mut(&index) {
            Some(channel) => channel.retire().await,
            None => Ok(()),
        }
    }

    /// What its channels may hold, and hold.
    fn held(&self) -> Channels<impl DoubleEndedIterator<Item = Held> + Clone> {
        let held = self.channels.iter().map(|(index, channel)| Held {
            index: *index,
            prefetch: channel.prefetch,
            unacked: channel.ledger.unacked(),
            is_retired: channel.is_retired,
        });
        Channels {
            held,
            opening: self.opening_prefetch,
            prefetch: self.wanted.prefetch,
        }
    }

    /// Takes in what has come, up to a batch.
    async fn take_in(&mut self, first: News) -> Result<(), Error> {
        self.watchdog.on_delivery();
        let mut next = Some(first);
        while let Some((index, news)) = next {
            let delivery = self.accept(index, news).await?;
            self.has_delivered |= delivery.is_some();
            self.waiting.extend(delivery);
            next = match self.waiting.len() < BATCH_MAX {
                true => self.incoming.next().now_or_never().flatten(),
                false => None,
            };
        }
        Ok(())
    }

    /// Takes in one message. One that is no id is of use to nobody: a dead letter, at once.
    async fn accept(
        &mut self,
        index: u32,
        news: Option<lapin::Result<lapin::message::Delivery>>,
    ) -> Result<Option<Delivery>, Error> {
        let Some(subscription) = self.channels.get_mut(&index) else {
            // Its channel has been given up, and closing that hands it back.
            return Ok(None);
        };
        let Some(message) = news.transpose()? else {
            return match subscription.is_retired {
                true => Ok(None),
                false => Err(Error::Gone("the broker cancelled the consumer")),
            };
        };
        let tag = message.delivery_tag;
        subscription.ledger.open(tag);
        if subscription.is_retired {
            subscription.reject(tag, true).await?;
            return Ok(None);
        }
        let Ok(id) = Uuid::try_parse_ascii(&message.data) else {
            tracing::warn!(
                event = "not_an_id",
                bytes = message.data.len(),
                "a message whose body is not an id goes to the dead-letter queue"
            );
            subscription.reject(tag, false).await?;
            subscription.acknowledge().await?;
            return Ok(None);
        };
        Ok(Some(Delivery {
            id,
            redelivered: message.redelivered,
            receipt: DeliveryTag {
                session: self.number,
                channel: index,
                tag,
            },
        }))
    }

    async fn settle(&mut self, Settled { epoch, settled }: Settled) -> Result<(), Error> {
        if epoch != self.wanted.epoch {
            // The consumer has let go of what this session is about to hand back.
            return Ok(());
        }
        for (Delivery { receipt, .. }, settlement) in settled {
            if receipt.session != self.number {
                continue;
            }
            let Some(subscription) = self.channels.get_mut(&receipt.channel) else {
                // It has been handed back.
                continue;
            };
            match settlement {
                Settlement::Ack => subscription.ledger.finish(receipt.tag),
                Settlement::Requeue => subscription.reject(receipt.tag, true).await?,
                Settlement::DeadLetter => subscription.reject(receipt.tag, false).await?,
            }
        }
        for subscription in self.channels.values_mut() {
            subscription.acknowledge().await?;
        }
        Ok(())
    }

    /// Hands back everything that is unsettled, and what is on its way.
    async fn hand_back(&mut self) -> Result<(), Error> {
        self.finish_opening().await?;
        self.waiting.clear();
        let channels = std::mem::take(&mut self.channels).into_values();
        futures::future::try_join_all(channels.map(Subscription::hand_back)).await?;
        self.incoming.clear();
        Ok(())
    }

    /// Hands everything back and says goodbye.
    pub(super) async fn close(mut self) {
        if let Err(error) = self.hand_back().await {
            // The broker takes everything back with the connection.
            tracing::debug!(%error, "could not hand back unsettled deliveries");
        }
        connection::close(&self.connection).await;
    }
}

//! A channel with one consumer, and what is unsettled there.

use std::time::Duration;

use futures::{StreamExt, stream::BoxStream};
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicNackOptions, BasicRejectOptions},
    types::ShortString,
};

use super::{connection::within, ledger::Ledger, returns::consume};
use crate::Error;

/// Opening, settling and closing: each call to the broker.
const CALL_WITHIN: Duration = Duration::from_secs(30);

/// Something that came on the channel of that number; `None` when the consumer there has ended.
pub(super) type News = (u32, Option<lapin::Result<Delivery>>);

pub(super) type Incoming = BoxStream<'static, News>;

/// A channel with one consumer.
pub(super) struct Subscription {
    channel: Channel,
    consumer_tag: ShortString,
    pub(super) prefetch: u16,
    pub(super) ledger: Ledger,
    /// Its consumer has been cancelled: it is there for what is unsettled.
    pub(super) is_retired: bool,
}

impl Subscription {
    /// Starts a consumer of `queue` that may hold `prefetch` messages. `index` goes with whatever comes.
    pub(super) async fn open(
        channel: impl Future<Output = lapin::Result<Channel>>,
        queue: ShortString,
        consumer_tag: ShortString,
        prefetch: u16,
        index: u32,
    ) -> Result<(Self, Incoming), Error> {
        let open = async {
            let channel = channel.await?;
            let consumer = consume(&channel, queue, consumer_tag.clone(), prefetch).await?;
            Ok((channel, consumer))
        };
        let (channel, consumer) = within(CALL_WITHIN, "subscribing", open).await?;
        // A stream that ends is news like any other: the broker has cancelled the consumer.
        let incoming = consumer.map(Some).chain(futures::stream::iter([None]));
        let subscription = Self {
            channel,
            consumer_tag,
            prefetch,
            ledger: Ledger::default(),
            is_retired: false,
        };
        Ok((
            subscription,
            incoming.map(move |news| (index, news)).boxed(),
        ))
    }

    /// Ends the consumer and leaves what it holds unsettled.
    pub(super) async fn retire(&mut self) -> Result<(), Error> {
        self.is_retired = true;
        let options = BasicCancelOptions::default();
        let cancel = self
            .channel
            .basic_cancel(self.consumer_tag.clone(), options);
        within(CALL_WITHIN, "unsubscribing", cancel).await
    }

    /// Gives one delivery back to the queue, or makes it a dead letter.
    pub(super) async fn reject(&mut self, tag: u64, requeue: bool) -> Result<(), Error> {
        self.ledger.answer(tag);
        let reject = self
            .channel
            .basic_reject(tag, BasicRejectOptions { requeue });
        within(CALL_WITHIN, "rejecting", reject).await
    }

    /// Sends what acks there are to send.
    pub(super) async fn acknowledge(&mut self) -> Result<(), Error> {
        let acks = self.ledger.acks();
        self.ack(acks.in_order()).await
    }

    async fn ack(&self, acks: impl Iterator<Item = (u64, bool)>) -> Result<(), Error> {
        for (tag, multiple) in acks {
            let ack = self.channel.basic_ack(tag, BasicAckOptions { multiple });
            within(CALL_WITHIN, "acknowledging", ack).await?;
        }
        Ok(())
    }

    /// Acks what is finished, hands back everything else, and closes the channel. A nack, unlike a lost connection, is not
    /// held against the message by newer brokers (delivery limit, RabbitMQ 4.3).
    pub(super) async fn hand_back(mut self) -> Result<(), Error> {
        if !self.is_retired {
            self.retire().await?;
        }
        let acks = self.ledger.last_acks();
        self.ack(acks.in_order()).await?;
        let everything = BasicNackOptions {
            multiple: true,
            requeue: true,
        };
        let close = async {
            self.channel.basic_nack(0, everything).await?;
            self.channel.close(200, "unsubscribed".into()).await
        };
        within(CALL_WITHIN, "handing back", close).await
    }
}

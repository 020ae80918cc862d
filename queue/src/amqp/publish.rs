//! The publishing end: persistent, mandatory, confirmed.

use std::{sync::Arc, time::Duration};

use lapin::{
    BasicProperties, Channel, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    broker::{Broker, Shared},
    confirms::Confirms,
    connection::within,
    dead_letters,
    link::LinkUp,
    returns::Returns,
    topology,
};
use crate::{Confirmed, Depth, Error, Event, Returned};

/// Opening a channel.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// Writing a batch to the socket. Longer means a blocked or stalled connection.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// AMQP's delivery mode for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;
/// Messages whose frames are written in one go.
const WRITE_BATCH: usize = 256;

/// A channel in confirm mode on a connection of its own.
///
/// One task at a time (`&mut`): lapin numbers a message and queues its frames in two steps, so two
/// tasks on one channel could swap their confirms.
pub struct Publisher {
    channel: Channel,
    queue: ShortString,
    queue_is_new: bool,
    unconfirmed: Confirms<PublisherConfirm>,
    /// `None` where the queue of the returned cannot be used.
    returns: Option<Returns>,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    /// Ends with the publisher.
    _trimming: JoinSet<()>,
    _up: LinkUp,
}

impl Broker {
    pub(crate) async fn publisher(&self) -> Result<Publisher, Error> {
        let Shared {
            topology,
            process,
            publishing,
            ..
        } = &*self.0;
        publishing.want();
        let (connection, queue_is_new) = self.0.open("relay").await?;
        let returns = match topology.declare_returned(&connection).await? {
            true => {
                let consumer_tag = format!("hookline-relay-{process}").into();
                let queue = topology.returned.clone();
                Some(Returns::open(&connection, queue, consumer_tag).await?)
            }
            false => None,
        };
        let channel = within(OPEN_WITHIN, "opening a channel", async {
            let channel = connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        })
        .await?;
        let connection = Arc::new(connection);
        let mut trimming = JoinSet::new();
        trimming.spawn(dead_letters::keep_few(self.0.clone(), connection.clone()));
        Ok(Publisher {
            channel,
            queue: topology.queue.clone(),
            queue_is_new,
            unconfirmed: Confirms::new(),
            returns,
            connection,
            shared: self.0.clone(),
            _trimming: trimming,
            _up: publishing.up(),
        })
    }
}

impl Publisher {
    pub(crate) async fn publish(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        for ids in ids.chunks(WRITE_BATCH) {
            // Polled in order, each takes its number and queues its frames at its first poll; then
            // they wait together for the socket.
            let written = futures::future::try_join_all(ids.iter().map(|id| self.send(*id)));
            let confirms = within(WRITE_WITHIN, "publishing", written).await?;
            self.unconfirmed.extend(ids.iter().copied().zip(confirms));
        }
        Ok(())
    }

    async fn send(&self, id: Uuid) -> lapin::Result<PublisherConfirm> {
        let mut text = Uuid::encode_buffer();
        let text: &str = id.hyphenated().encode_lower(&mut text);
        // The broker reads and keeps every property of every message.
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(text.into());
        let options = BasicPublishOptions {
            mandatory: true,
            immediate: false,
        };
        self.channel
            .basic_publish(
                topology::exchange(),
                self.queue.clone(),
                options,
                text.as_bytes(),
                properties,
            )
            .await
    }

    pub(crate) async fn confirmed(&mut self) -> Result<Confirmed, Error> {
        self.unconfirmed.next().await
    }

    pub(crate) async fn returned(&mut self) -> Result<Vec<Returned>, Error> {
        next_returned(&mut self.returns).await
    }

    pub(crate) async fn event(&mut self) -> Result<Event, Error> {
        tokio::select! {
            confirmed = self.unconfirmed.next() => confirmed.map(Event::Confirmed),
            returned = next_returned(&mut self.returns) => returned.map(Event::Returned),
        }
    }

    pub(crate) async fn settle_returned(&mut self, settled: Vec<Returned>) -> Result<(), Error> {
        match &mut self.returns {
            Some(returns) => returns.settle(settled).await,
            None => Ok(()),
        }
    }

    pub(crate) fn queue_is_new(&self) -> bool {
        self.queue_is_new
    }

    pub(crate) fn depth(&self) -> impl Future<Output = Result<Depth, Error>> + Send + use<> {
        let (connection, shared) = (self.connection.clone(), self.shared.clone());
        async move { shared.topology.depth(&connection).await }
    }

    pub(crate) fn unconfirmed_ids(&self) -> Vec<Uuid> {
        self.unconfirmed.ids()
    }

    pub(crate) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }
}

async fn next_returned(returns: &mut Option<Returns>) -> Result<Vec<Returned>, Error> {
    match returns {
        Some(returns) => returns.next().await,
        None => std::future::pending().await,
    }
}

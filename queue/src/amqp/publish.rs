//! The publishing end: persistent, mandatory, confirmed.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use uuid::Uuid;

use super::{Broker, LinkUp, Shared, connection::within, topology};
use crate::{Depth, Error};

/// Writing a batch to the socket. Longer means a blocked or stalled connection.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// The broker has no deadline for its confirms; this is ours, after which the ids are published anew.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
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
    unconfirmed: VecDeque<(Uuid, PublisherConfirm)>,
    /// Since when the front of `unconfirmed` is in front.
    waiting_since: Instant,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
    _up: LinkUp,
}

impl Broker {
    pub(crate) async fn publisher(&self) -> Result<Publisher, Error> {
        self.0.publishing.want();
        let connection = self.0.address.connect("relay", &self.0.process).await?;
        self.0.topology.declare(&connection).await?;
        let channel = within(CONFIRM_WITHIN, "opening a channel", async {
            let channel = connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        })
        .await?;
        Ok(Publisher {
            channel,
            queue: self.0.topology.queue.clone(),
            unconfirmed: VecDeque::new(),
            waiting_since: Instant::now(),
            connection: Arc::new(connection),
            shared: self.0.clone(),
            _up: self.0.publishing.up(),
        })
    }
}

impl Publisher {
    pub(crate) async fn publish(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        if self.unconfirmed.is_empty() {
            self.waiting_since = Instant::now();
        }
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

    pub(crate) async fn confirmed(&mut self) -> Result<Vec<Uuid>, Error> {
        let Some((_, first)) = self.unconfirmed.front_mut() else {
            return std::future::pending().await;
        };
        // Counted from when it came to the front, however often this future is made anew.
        let left = CONFIRM_WITHIN.saturating_sub(self.waiting_since.elapsed());
        let first = within(left, "waiting for a publisher confirm", first).await?;
        self.waiting_since = Instant::now();
        let mut ids = Vec::new();
        let mut confirmation = Some(first);
        while let Some(confirmed) = confirmation {
            accept(&confirmed)?;
            ids.extend(self.unconfirmed.pop_front().map(|(id, _)| id));
            confirmation = match self.unconfirmed.front_mut() {
                Some((_, next)) => next.now_or_never().transpose()?,
                None => None,
            };
        }
        Ok(ids)
    }

    pub(crate) fn depth(&self) -> impl Future<Output = Result<Depth, Error>> + Send + use<> {
        let (connection, shared) = (self.connection.clone(), self.shared.clone());
        async move { shared.topology.depth(&connection).await }
    }

    pub(crate) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }
}

/// Only `Ack(None)` counts. A message that came back as unroutable may be reported with another's
/// confirm (lapin hands a return to the next confirm it sees), so one return spoils the session: the
/// topology is declared anew and everything unconfirmed is published again.
fn accept(confirmation: &Confirmation) -> Result<(), Error> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(Error::Refused("there is no queue of this name")),
        Confirmation::Nack(_) => Err(Error::Refused("it answered with a nack")),
        Confirmation::NotRequested => Err(Error::Refused("the channel is not in confirm mode")),
    }
}

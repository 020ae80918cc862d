//! Transport: how a row's id travels from the relay to a consumer. Owns the broker's topology, its
//! connections, and the queue inside the process that stands in for it. Knows no database and no
//! HTTP.
//!
//! Two backends, one vocabulary and one set of promises (`tests/conformance` holds both to it):
//! an id whose publish was confirmed is delivered; a delivery that is not settled when its consumer
//! goes away is delivered again; one delivered too often, or rejected, becomes a dead letter.
//!
//! This is the only crate that names lapin, and `amqp::topology` the only file that names a queue.

pub mod amqp;
mod backoff;
pub mod memory;

pub use backoff::Backoff;

use futures::{FutureExt, future::BoxFuture};
use thiserror::Error;
use uuid::Uuid;

/// Deliveries that are handed over together, at most.
const BATCH_MAX: usize = 1024;

/// How often one message may come back before it becomes a dead letter. High, because every loss of a
/// connection counts once for each message in its hands; finite, because a message that kills its
/// consumer must not do so for ever. The row survives it: the outbox still holds the id.
const DELIVERY_LIMIT: u32 = 50;

/// Why the queue did not do what was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings can never work.
    #[error("{0}")]
    Settings(String),
    /// The broker holds something of the same name that is not what we would declare.
    #[error("the broker has a queue or exchange of this name with other arguments: {0}")]
    Mismatch(String),
    /// The broker did not answer in time.
    #[error("no answer from the broker within {} s while {doing}", within.as_secs())]
    Timeout {
        doing: &'static str,
        within: std::time::Duration,
    },
    /// The broker did not take responsibility for a message.
    #[error("the broker refused a message: {0}")]
    Refused(&'static str),
    /// The queue inside the process holds as many ids as it may.
    #[error("the queue inside the process is full")]
    Full,
    /// The connection, the channel or the protocol failed.
    #[error("the connection to the broker failed: {0}")]
    Amqp(#[from] lapin::Error),
}

/// The queue, whichever it is.
#[derive(Clone)]
pub enum Queue {
    /// A RabbitMQ broker.
    Amqp(amqp::Broker),
    /// Inside this process: it forgets everything when the process ends.
    Memory(memory::Queue),
}

/// One id in a consumer's hands. Whoever has it must [settle](Deliveries::settle) it; dropping it
/// leaves it unsettled until the consumer goes away.
#[derive(Debug)]
#[must_use]
pub struct Delivery {
    /// The row's id.
    pub id: Uuid,
    /// It may have been delivered before.
    pub redelivered: bool,
    receipt: DeliveryTag,
}

/// Where a delivery came from: meaningless once its session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DeliveryTag {
    session: u32,
    channel: u16,
    tag: u64,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Its work is done and committed: forget the message.
    Ack,
    /// Deliver it again, to whomever.
    Requeue,
    /// No consumer can do anything with it: to the dead-letter queue.
    DeadLetter,
}

/// How many messages wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// In the queue, in nobody's hands.
    pub ready: usize,
    /// In the dead-letter queue.
    pub dead: usize,
}

impl Queue {
    /// Makes sure that the queue can be used: declares the topology if the broker answers.
    ///
    /// # Errors
    /// [`Error::Mismatch`] and [`Error::Settings`] will not go away by themselves; any other error
    /// may, and [`publisher`](Self::publisher) and [`deliveries`](Self::deliveries) will try again.
    pub async fn declare(&self) -> Result<(), Error> {
        match self {
            Self::Amqp(broker) => broker.declare().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Connects a publisher; it must be used from one task only.
    pub async fn publisher(&self) -> Result<Publisher, Error> {
        match self {
            Self::Amqp(broker) => broker
                .publisher()
                .await
                .map(|p| Publisher::Amqp(Box::new(p))),
            Self::Memory(queue) => Ok(Publisher::Memory(queue.publisher())),
        }
    }

    /// Starts a consumer that holds at most `prefetch` unsettled deliveries.
    pub fn deliveries(&self, prefetch: u32) -> Deliveries {
        match self {
            Self::Amqp(broker) => Deliveries::Amqp(broker.deliveries(prefetch)),
            Self::Memory(queue) => Deliveries::Memory(queue.deliveries(prefetch)),
        }
    }

    /// Counts what waits.
    pub async fn depth(&self) -> Result<Depth, Error> {
        match self {
            Self::Amqp(broker) => broker.depth().await,
            Self::Memory(queue) => Ok(queue.depth()),
        }
    }

    /// Whether every publisher and consumer of this process has its connection just now.
    pub fn is_up(&self) -> bool {
        match self {
            Self::Amqp(broker) => broker.is_up(),
            Self::Memory(_) => true,
        }
    }

    /// Whether the queue lives and dies with this process.
    pub fn is_inside_the_process(&self) -> bool {
        matches!(self, Self::Memory(_))
    }
}

/// Hands ids to the queue. After an error it is of no more use: drop it and connect another; what was
/// not confirmed may or may not have arrived.
pub enum Publisher {
    /// To a RabbitMQ broker.
    Amqp(Box<amqp::Publisher>),
    /// To the queue inside the process.
    Memory(memory::Publisher),
}

impl Publisher {
    /// Sends ids off without waiting for their confirms.
    pub async fn publish(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        match self {
            Self::Amqp(publisher) => publisher.publish(ids).await,
            Self::Memory(publisher) => publisher.publish(ids),
        }
    }

    /// Waits for publisher confirms and returns the ids that they cover; for ever if nothing is
    /// [unconfirmed](Self::unconfirmed). May be dropped and called again.
    pub async fn confirmed(&mut self) -> Result<Vec<Uuid>, Error> {
        match self {
            Self::Amqp(publisher) => publisher.confirmed().await,
            Self::Memory(publisher) => publisher.confirmed().await,
        }
    }

    /// Counts what waits, over the publisher's own connection and beside its other calls.
    pub fn depth(&self) -> BoxFuture<'static, Result<Depth, Error>> {
        match self {
            Self::Amqp(publisher) => publisher.depth().boxed(),
            Self::Memory(publisher) => std::future::ready(Ok(publisher.depth())).boxed(),
        }
    }

    /// How many ids are on their way.
    pub fn unconfirmed(&self) -> usize {
        match self {
            Self::Amqp(publisher) => publisher.unconfirmed(),
            Self::Memory(publisher) => publisher.unconfirmed(),
        }
    }
}

/// A consumer's incoming messages.
pub enum Deliveries {
    /// From a RabbitMQ broker.
    Amqp(amqp::Deliveries),
    /// From the queue inside the process.
    Memory(memory::Deliveries),
}

impl Deliveries {
    /// Waits for at least one delivery and returns all that are there, up to a limit. Loses and
    /// regains connections without the caller's help. May be dropped and called again.
    pub async fn next(&mut self) -> Vec<Delivery> {
        match self {
            Self::Amqp(deliveries) => deliveries.next().await,
            Self::Memory(deliveries) => deliveries.next().await,
        }
    }

    /// Settles deliveries. Those whose connection is gone are skipped: the broker delivers them
    /// again by itself.
    pub async fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) {
        match self {
            Self::Amqp(deliveries) => deliveries.settle(settled).await,
            Self::Memory(deliveries) => deliveries.settle(settled),
        }
    }

    /// Carries out what was settled, hands everything unsettled back to the queue, and disconnects.
    pub async fn close(self) {
        match self {
            Self::Amqp(deliveries) => deliveries.close().await,
            Self::Memory(deliveries) => drop(deliveries),
        }
    }
}

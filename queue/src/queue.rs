//! The queue and its two ends: a broker's, or the one inside the process.

use futures::{FutureExt, future::BoxFuture};
use uuid::Uuid;

use crate::{Confirmed, Delivery, Denied, Depth, Error, Event, Returned, Settlement, amqp, memory};

/// The queue, whichever it is.
#[derive(Clone)]
pub enum Queue {
    /// A RabbitMQ broker.
    Amqp(amqp::Broker),
    /// Inside this process: it forgets everything when the process ends.
    Memory(memory::Queue),
}

impl Queue {
    /// Makes sure that the queue can be used: declares the topology if the broker answers.
    ///
    /// # Errors
    /// [`Error::Mismatch`] will not go away by itself; any other error
    /// may, and [`publisher`](Self::publisher) and [`deliveries`](Self::deliveries) will try again.
    pub async fn declare(&self) -> Result<(), Error> {
        match self {
            Self::Amqp(broker) => broker.declare().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Connects a publisher, which declares the topology; it must be used from one task only.
    pub async fn publisher(&self) -> Result<Publisher, Error> {
        match self {
            Self::Amqp(broker) => broker
                .publisher()
                .await
                .map(|p| Publisher::Amqp(Box::new(p))),
            Self::Memory(queue) => Ok(Publisher::Memory(queue.publisher())),
        }
    }

    /// Starts a consumer that holds at most `prefetch` unsettled deliveries; with 0 it starts
    /// [unsubscribed](Deliveries::subscribe).
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

    /// Whether the queue is there, and need not be declared first. Changes nothing.
    pub async fn is_there(&self) -> Result<bool, Error> {
        match self {
            Self::Amqp(broker) => broker.is_there().await,
            Self::Memory(_) => Ok(true),
        }
    }

    /// Whether every publisher and consumer of this process has its connection just now. One that is
    /// unsubscribed needs none.
    pub fn is_up(&self) -> bool {
        match self {
            Self::Amqp(broker) => broker.is_up(),
            Self::Memory(_) => true,
        }
    }

    /// What the broker has refused when it was last asked, which has been logged.
    pub fn denied(&self) -> Option<Denied> {
        match self {
            Self::Amqp(broker) => broker.denied(),
            Self::Memory(_) => None,
        }
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Amqp(broker) => broker.queue(),
            Self::Memory(_) => "memory",
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

    /// Waits for publisher confirms and returns the ids that they cover, in the order in which they were
    /// published; for ever if nothing is [unconfirmed](Self::unconfirmed). May be dropped and called
    /// again.
    ///
    /// # Errors
    /// [`Error::Refused`] if any message came back because there is no queue: nothing of what is
    /// unconfirmed may be taken to have arrived.
    pub async fn confirmed(&mut self) -> Result<Confirmed, Error> {
        match self {
            Self::Amqp(publisher) => publisher.confirmed().await,
            Self::Memory(publisher) => Ok(publisher.confirmed().await),
        }
    }

    /// Waits for messages that the queue has given up, at most 1,000 that are not
    /// [settled](Self::settle_returned); for ever if there are none. May be dropped and called again.
    /// What a consumer has [rejected](Settlement::DeadLetter) is not among them.
    ///
    /// Dead letters travel without confirms (RabbitMQ's `at-most-once`), so not every one comes.
    pub async fn returned(&mut self) -> Result<Vec<Returned>, Error> {
        match self {
            Self::Amqp(publisher) => publisher.returned().await,
            Self::Memory(publisher) => Ok(publisher.returned().await),
        }
    }

    /// Waits for whichever comes first of [`confirmed`](Self::confirmed) and
    /// [`returned`](Self::returned). May be dropped and called again.
    pub async fn event(&mut self) -> Result<Event, Error> {
        match self {
            Self::Amqp(publisher) => publisher.event().await,
            Self::Memory(publisher) => Ok(publisher.event().await),
        }
    }

    /// Forgets returned messages: what follows from them has been noted.
    pub async fn settle_returned(&mut self, settled: Vec<Returned>) -> Result<(), Error> {
        match self {
            Self::Amqp(publisher) => publisher.settle_returned(settled).await,
            Self::Memory(publisher) => {
                publisher.settle_returned(&settled);
                Ok(())
            }
        }
    }

    /// Whether the queue was not there before this publisher declared it: whatever had been published
    /// by then is gone.
    pub fn queue_is_new(&self) -> bool {
        match self {
            Self::Amqp(publisher) => publisher.queue_is_new(),
            Self::Memory(publisher) => publisher.queue_is_new(),
        }
    }

    /// Counts what waits, over the publisher's own connection and beside its other calls.
    pub fn depth(&self) -> BoxFuture<'static, Result<Depth, Error>> {
        match self {
            Self::Amqp(publisher) => publisher.depth().boxed(),
            Self::Memory(publisher) => std::future::ready(Ok(publisher.depth())).boxed(),
        }
    }

    /// The ids that are on their way.
    pub fn unconfirmed_ids(&self) -> Vec<Uuid> {
        match self {
            Self::Amqp(publisher) => publisher.unconfirmed_ids(),
            Self::Memory(publisher) => publisher.unconfirmed_ids(),
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
    /// Says how many unsettled deliveries may be held from now on. Does not wait; nothing happens if it
    /// is the same as before.
    ///
    /// With 0 the consumer is unsubscribed: everything that is unsettled, and everything on its way,
    /// goes back to the queue at once and counts there as delivered once more; [`next`](Self::next)
    /// returns nothing until the next call with more than 0. What was received before cannot be settled
    /// any more: doing so has no effect. A smaller number above 0 takes nothing back that has been
    /// received.
    pub fn subscribe(&mut self, prefetch: u32) {
        match self {
            Self::Amqp(deliveries) => deliveries.subscribe(prefetch),
            Self::Memory(deliveries) => deliveries.subscribe(prefetch),
        }
    }

    /// Waits for at least one delivery and returns all that are there, up to a limit. Loses and
    /// regains connections without the caller's help. May be dropped and called again.
    pub async fn next(&mut self) -> Vec<Delivery> {
        match self {
            Self::Amqp(deliveries) => deliveries.next().await,
            Self::Memory(deliveries) => deliveries.next().await,
        }
    }

    /// Settles deliveries, without waiting for the broker. Those whose connection is gone are skipped:
    /// the broker delivers them again by itself. So it does with everything unsettled if a session
    /// is so slow that too many settlements wait for it.
    pub async fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) {
        match self {
            Self::Amqp(deliveries) => deliveries.settle(settled),
            Self::Memory(deliveries) => deliveries.settle(settled),
        }
    }

    /// Whether this consumer has had to create the queue since this was last asked: whatever had been
    /// published by then is gone. The queue inside the process is always there.
    pub fn queue_was_created(&mut self) -> bool {
        match self {
            Self::Amqp(deliveries) => deliveries.queue_was_created(),
            Self::Memory(_) => false,
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

//! What is said of messages, whichever queue carries them, and how many there may be.

use uuid::Uuid;

/// Deliveries that are handed over together, at most.
pub(crate) const BATCH_MAX: usize = 1024;

/// Returned messages that a publisher is given together, at most.
pub(crate) const RETURNED_MAX: usize = 1000;

/// How often one message may come back before it becomes a dead letter. High, because every loss of a
/// connection counts once for each message in its hands; finite, because a message that kills its
/// consumer must not do so for ever. The row survives it: the outbox still holds the id.
pub(crate) const DELIVERY_LIMIT: u32 = 50;

/// One id in a consumer's hands. Whoever has it must [settle](crate::Deliveries::settle) it; dropping it
/// leaves it unsettled until the consumer goes away.
#[derive(Debug)]
#[must_use]
pub struct Delivery {
    /// The row's id.
    pub id: Uuid,
    /// It may have been delivered before.
    pub redelivered: bool,
    pub(crate) receipt: DeliveryTag,
}

/// Where a delivery came from: meaningless once its session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeliveryTag {
    pub(crate) session: u32,
    pub(crate) channel: u32,
    pub(crate) tag: u64,
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

/// What the broker has answered about published ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// It has taken responsibility for these.
    pub acked: Vec<Uuid>,
    /// It has refused these (`basic.nack`): the queue is at the length that a policy sets, or has no
    /// leader just now. They are not in the queue.
    pub refused: Vec<Uuid>,
}

/// Why a message left the queue other than by an ack: the words of RabbitMQ's `x-death` header
/// (<https://www.rabbitmq.com/docs/dlx>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `expired`: a policy with `message-ttl` (or `x-message-ttl`) catches the queue.
    Expired,
    /// `maxlen`: a policy with `max-length` or `max-length-bytes` does, and drops from the head.
    MaxLength,
    /// `delivery_limit`: it came back from its consumers too often.
    DeliveryLimit,
    /// `rejected`: a consumer of ours has settled it with [`Settlement::DeadLetter`]. Never returned.
    Rejected,
    /// A word that we do not know.
    Other,
}

/// A message that has left the queue and whose work is not done: the queue holds it no more.
/// [Settle](crate::Publisher::settle_returned) it once that is noted; otherwise it is returned again.
#[derive(Debug)]
#[must_use]
pub struct Returned {
    /// The row's id.
    pub id: Uuid,
    /// What has become of the message.
    pub reason: Reason,
    pub(crate) receipt: u64,
}

/// What a publisher may be told at any time.
#[derive(Debug)]
pub enum Event {
    /// See [`Publisher::confirmed`](crate::Publisher::confirmed).
    Confirmed(Confirmed),
    /// See [`Publisher::returned`](crate::Publisher::returned).
    Returned(Vec<Returned>),
}

//! Named points on a webhook's way where a process can be made to die: the closed set of them, and the death. Knows
//! nothing of what lies between them.
//!
//! Without the feature `failpoints` a point compiles to nothing, and no process can be armed.

#[cfg(feature = "failpoints")]
mod armed;

use std::{error::Error, fmt, num::NonZeroU32, str::FromStr};

#[cfg(feature = "failpoints")]
pub use armed::{arm, here};

/// A point. In the order of a webhook's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A batch of webhooks is about to be committed.
    ReceiveBeforeCommit,
    /// It is committed, and neither relay nor senders know.
    ReceiveAfterCommit,
    /// The relay knows, and the senders do not.
    ReceiveBeforeAnswer,
    /// Ids are about to be handed to the broker.
    RelayBeforePublish,
    /// They have been handed over, and nothing is confirmed.
    RelayBeforeConfirm,
    /// The broker has confirmed ids, and nothing remembers it.
    RelayAfterConfirm,
    /// The outbox says that they are published.
    RelayAfterNote,
    /// Deliveries are here, and nothing says whose they are.
    ConsumerBeforeTake,
    /// The database says that they are ours, and no work has begun.
    ConsumerAfterTake,
    /// One piece of work has just ended and nobody has heard of it, while others go on.
    ConsumerAtWork,
    /// Outcomes are about to be committed.
    ConsumerBeforeFinish,
    /// They are committed, and nothing is acked.
    ConsumerAfterFinish,
    /// What is finished has been acked.
    ConsumerAfterAck,
}

impl Point {
    /// Every point, in the order of a webhook's way.
    pub const ALL: [Self; 13] = [
        Self::ReceiveBeforeCommit,
        Self::ReceiveAfterCommit,
        Self::ReceiveBeforeAnswer,
        Self::RelayBeforePublish,
        Self::RelayBeforeConfirm,
        Self::RelayAfterConfirm,
        Self::RelayAfterNote,
        Self::ConsumerBeforeTake,
        Self::ConsumerAfterTake,
        Self::ConsumerAtWork,
        Self::ConsumerBeforeFinish,
        Self::ConsumerAfterFinish,
        Self::ConsumerAfterAck,
    ];

    /// How people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReceiveBeforeCommit => "receive.before-commit",
            Self::ReceiveAfterCommit => "receive.after-commit",
            Self::ReceiveBeforeAnswer => "receive.before-answer",
            Self::RelayBeforePublish => "relay.before-publish",
            Self::RelayBeforeConfirm => "relay.before-confirm",
            Self::RelayAfterConfirm => "relay.after-confirm",
            Self::RelayAfterNote => "relay.after-note",
            Self::ConsumerBeforeTake => "consumer.before-take",
            Self::ConsumerAfterTake => "consumer.after-take",
            Self::ConsumerAtWork => "consumer.at-work",
            Self::ConsumerBeforeFinish => "consumer.before-finish",
            Self::ConsumerAfterFinish => "consumer.after-finish",
            Self::ConsumerAfterAck => "consumer.after-ack",
        }
    }
}

/// Where to die, and at which passage: `consumer.after-take:3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// The point.
    pub point: Point,
    /// The first passage is 1.
    pub nth: NonZeroU32,
}

impl fmt::Display for Death {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.point.name(), self.nth)
    }
}

impl FromStr for Death {
    type Err = NoSuchPoint;

    fn from_str(text: &str) -> Result<Self, NoSuchPoint> {
        let (name, nth) = text.split_once(':').ok_or(NoSuchPoint)?;
        let mut points = Point::ALL.into_iter();
        let point = points.find(|point| point.name() == name);
        Ok(Self {
            point: point.ok_or(NoSuchPoint)?,
            nth: nth.parse().map_err(|_| NoSuchPoint)?,
        })
    }
}

/// What was given names no point and passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchPoint;

impl fmt::Display for NoSuchPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Point::ALL.map(Point::name).join(", ");
        write!(
            formatter,
            "must be a point and a passage, such as consumer.after-take:3; the points are {names}"
        )
    }
}

impl Error for NoSuchPoint {}

/// The process comes by.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn here(_: Point) {}

#[cfg(test)]
mod tests {
    use super::{Death, NoSuchPoint, Point};

    #[test]
    fn every_death_reads_as_it_is_written_and_no_two_read_alike() {
        for point in Point::ALL {
            let death: Death = format!("{}:7", point.name()).parse().unwrap();
            assert_eq!((death.point, death.nth.get()), (point, 7));
            assert_eq!(death.to_string().parse(), Ok(death));
        }
    }

    #[test]
    fn what_names_no_point_or_no_passage_is_refused() {
        for text in [
            "",
            "consumer.after-take",
            "consumer.after-take:0",
            "consumer.after-take:-1",
            "consumer.after-lunch:1",
        ] {
            assert_eq!(text.parse::<Death>(), Err(NoSuchPoint), "{text}");
        }
    }
}

//! Which published ids the broker has not answered for yet, and what its answers mean.

use std::{collections::VecDeque, time::Duration};

use futures::FutureExt;
use lapin::Confirmation;
use tokio::time::Instant;
use uuid::Uuid;

use super::connection::within;
use crate::{Confirmed, Error};

/// The broker has no deadline for its confirms; this is ours, after which the ids are published anew.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at everything that is unconfirmed, at least: under load confirms come in many small parts, and a look
/// costs a lock for each that waits.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Unconfirmed ids in the order of their publishing. `F` is lapin's `PublisherConfirm`.
///
/// A message that comes back as unroutable is not always told with its own confirm: lapin gives a
/// `basic.return` to whichever confirm it completes next (`returned_messages.rs`,
/// `acknowledgement.rs`). The broker sends the return before the confirm, so that is never one that
/// is completed after the message's own. Hence, of answers that are there, none can be trusted before
/// all of them have been looked at.
pub(super) struct Confirms<F> {
    entries: VecDeque<(Uuid, Entry<F>)>,
    /// Since when the front has been in front.
    front_since: Instant,
    next_look: Instant,
}

enum Entry<F> {
    Waiting(F),
    /// Looked at before its turn: its predecessors wait.
    Answered(Answer),
}

#[derive(Clone, Copy)]
enum Answer {
    Acked,
    Refused,
}

impl<F> Confirms<F>
where
    F: Future<Output = lapin::Result<Confirmation>> + Unpin,
{
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            front_since: Instant::now(),
            next_look: Instant::now(),
        }
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.entries.iter().map(|(id, _)| *id).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds ids that have just been published.
    pub(super) fn extend(&mut self, published: impl IntoIterator<Item = (Uuid, F)>) {
        if self.entries.is_empty() {
            self.front_since = Instant::now();
        }
        let waiting = published.into_iter().map(|(id, f)| (id, Entry::Waiting(f)));
        self.entries.extend(waiting);
    }

    /// Waits for the answer about the oldest id, and returns it with those that follow it without a gap;
    /// for ever if there is none. May be dropped and called again.
    ///
    /// # Errors
    /// [`Error::Refused`] after any return: one spoils the session, since nobody knows which id it
    /// belongs to. [`Error::Timeout`] after 30 s without an answer about the oldest.
    pub(super) async fn next(&mut self) -> Result<Confirmed, Error> {
        let Some((_, front)) = self.entries.front_mut() else {
            return std::future::pending().await;
        };
        if let Entry::Waiting(confirm) = front {
            // Counted from when it came to the front, however often this future is made anew.
            let left = CONFIRM_WITHIN.saturating_sub(self.front_since.elapsed());
            let confirmation = within(left, "waiting for a publisher confirm", confirm).await?;
            *front = Entry::Answered(understand(&confirmation)?);
        }
        tokio::time::sleep_until(self.next_look).await;
        self.next_look = Instant::now() + LOOK_EVERY;
        // From the front on, until one waits; what stands behind that may carry the return of one
        // before it, so it is looked at, too.
        for (_, entry) in &mut self.entries {
            if let Entry::Waiting(confirm) = entry
                && let Some(confirmation) = confirm.now_or_never()
            {
                *entry = Entry::Answered(understand(&confirmation?)?);
            }
        }
        Ok(self.take_answered())
    }

    fn take_answered(&mut self) -> Confirmed {
        let mut confirmed = Confirmed::default();
        while let Some(&(id, Entry::Answered(answer))) = self.entries.front() {
            match answer {
                Answer::Acked => confirmed.acked.push(id),
                Answer::Refused => confirmed.refused.push(id),
            }
            self.entries.pop_front();
        }
        self.front_since = Instant::now();
        confirmed
    }
}

fn understand(confirmation: &Confirmation) -> Result<Answer, Error> {
    match confirmation {
        Confirmation::Ack(None) => Ok(Answer::Acked),
        Confirmation::Nack(None) => Ok(Answer::Refused),
        Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
            Err(Error::Gone("there is none of this name"))
        }
        Confirmation::NotRequested => Err(Error::Refused("the channel is not in confirm mode")),
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use lapin::{
        Error as LapinError, ErrorKind,
        message::{BasicReturnMessage, Delivery},
    };
    use tokio::sync::oneshot;

    use super::*;

    type Published = Confirms<BoxFuture<'static, lapin::Result<Confirmation>>>;
    type Answering = (Uuid, Option<oneshot::Sender<Confirmation>>);

    fn published(count: usize) -> (Published, Vec<Answering>) {
        let mut confirms = Confirms::new();
        let mut brokers = Vec::new();
        for _ in 0..count {
            let (answer, answered) = oneshot::channel();
            let lost = || LapinError::from(ErrorKind::ChannelsLimitReached);
            let confirm = answered.map(move |answer| answer.map_err(|_| lost()));
            let id = Uuid::now_v7();
            confirms.extend([(id, confirm.boxed())]);
            brokers.push((id, Some(answer)));
        }
        (confirms, brokers)
    }

    fn answer(broker: &mut Answering, confirmation: Confirmation) {
        broker.1.take().unwrap().send(confirmation).unwrap();
    }

    fn returned() -> BasicReturnMessage {
        BasicReturnMessage {
            delivery: Delivery::mock(0, "".into(), "".into(), false, Vec::new()),
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
        }
    }

    #[tokio::test]
    async fn answers_are_told_in_order_and_a_refusal_ends_nothing() {
        let (mut confirms, mut brokers) = published(4);
        let ids: Vec<Uuid> = brokers.iter().map(|(id, _)| *id).collect();
        answer(&mut brokers[2], Confirmation::Ack(None));
        assert!(confirms.next().now_or_never().is_none());
        answer(&mut brokers[1], Confirmation::Nack(None));
        answer(&mut brokers[0], Confirmation::Ack(None));
        let confirmed = confirms.next().await.unwrap();
        assert_eq!(confirmed.acked, [ids[0], ids[2]]);
        assert_eq!(confirmed.refused, [ids[1]]);
        assert_eq!(confirms.len(), 1);
        answer(&mut brokers[3], Confirmation::Ack(None));
        assert_eq!(confirms.next().await.unwrap().acked, [ids[3]]);
        assert!(confirms.next().now_or_never().is_none());
    }

    /// The return of the first comes with the confirm of the third, which is completed before the first's.
    #[tokio::test]
    async fn a_return_that_comes_with_another_confirm_is_seen_before_its_own_is_trusted() {
        for own_is_with in [Confirmation::Ack as fn(_) -> _, Confirmation::Nack] {
            let (mut confirms, mut brokers) = published(3);
            answer(&mut brokers[2], own_is_with(Some(returned())));
            answer(&mut brokers[0], Confirmation::Ack(None));
            let error = confirms.next().await.unwrap_err();
            assert!(matches!(error, Error::Gone(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn a_channel_that_ends_and_one_without_confirms_are_errors() {
        let (mut confirms, mut brokers) = published(2);
        answer(&mut brokers[0], Confirmation::Ack(None));
        drop(brokers);
        assert!(matches!(confirms.next().await, Err(Error::Amqp(_))));
        let (mut confirms, mut brokers) = published(1);
        answer(&mut brokers[0], Confirmation::NotRequested);
        assert!(matches!(confirms.next().await, Err(Error::Refused(_))));
    }
}

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
            Err(Error::Refused("there is no queue of this name"))
        }
        Confirmation::NotRequested => Err(Error::Refused("the channel is not in confirm mode")),
    }
}

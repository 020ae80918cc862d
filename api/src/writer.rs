//! The group commit. Handlers hand their webhooks to a long-lived task that commits whatever waits as
//! one batch, and answers each after the commit. A lone webhook is committed at once; what comes meanwhile shares the next
//! commit.
//!
//! A handler's future may be dropped at any await: at the end of the grace period, if not before. So no handler
//! touches the database's write side: only the tasks here do, and nobody drops those.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    Webhook,
    lifecycle::{self, Receipt, Received},
};
use failpoint::Point;
use sea_orm::{DatabaseConnection, DbErr};
use thiserror::Error;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::timeout_at,
};
use uuid::Uuid;

use crate::{
    FileWatch,
    admission::Admission,
    relay::{self, HintSender},
    slots::{BATCH_MAX, Slots},
};

/// Webhooks that may wait for their batch. This bounds memory alone (a webhook takes 1 KiB or so, 8 at most); how many
/// can be committed in time is what [`Admission`] estimates.
const WAITING_MAX: usize = 8192;
/// A batch of so many says that more are on their way.
const BUSY_BATCH_MIN: usize = 4;
/// So long after such a batch its slot takes no other, so that webhooks gather while the other slot works: a commit
/// costs the same for one as for fifty. A lone webhook never waits for this.
const LINGER: Duration = Duration::from_millis(3);

/// Why a webhook got no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotCommitted {
    /// Too much waits. It was not committed and will not be.
    #[error("too many webhooks wait to be committed, and this one was not; please send it again")]
    TooMuch,
    /// The database does not answer, or it takes too long. It may still be committed.
    #[error("the webhook could not be committed in time; please send it again")]
    InTime,
    /// The database will not have it, now or ever.
    #[error("the webhook cannot be stored faithfully")]
    Refused,
}

struct Waiting {
    received: Received,
    /// When it got here.
    since: Instant,
    /// When its answer is owed.
    due: Instant,
    answer: oneshot::Sender<Result<Receipt, NotCommitted>>,
}

/// The way to the group commit.
#[derive(Clone)]
pub(crate) struct Writer(mpsc::Sender<Waiting>);

pub(crate) struct Inbox(mpsc::Receiver<Waiting>);

/// A writer's two ends. The inbox ends when the last writer is dropped.
pub(crate) fn channel() -> (Writer, Inbox) {
    let (writer, inbox) = mpsc::channel(WAITING_MAX);
    (Writer(writer), Inbox(inbox))
}

impl Writer {
    /// How many webhooks wait for their batch.
    pub(crate) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Waits until the webhook is committed, and says at `due` at the latest what became of it.
    pub(crate) async fn receive(
        &self,
        webhook: Webhook,
        due: Instant,
    ) -> Result<Receipt, NotCommitted> {
        let (answer, answered) = oneshot::channel();
        let received = Received {
            id: Uuid::now_v7(),
            webhook,
        };
        let waiting = Waiting {
            received,
            since: Instant::now(),
            due,
            answer,
        };
        self.0
            .try_send(waiting)
            .map_err(|_| NotCommitted::TooMuch)?;
        match tokio::time::timeout_at(due.into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(NotCommitted::InTime),
        }
    }
}

/// Commits until the last [`Writer`] is dropped and everything that waited is answered.
pub(crate) async fn run(
    db: DatabaseConnection,
    Inbox(mut inbox): Inbox,
    hints: HintSender,
    admission: Admission,
    slots: Slots,
    file: Option<FileWatch>,
) {
    let free = Arc::new(Semaphore::new(slots.count));
    let places = Arc::new(Semaphore::new(slots.most));
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut last_began = tokio::time::Instant::now();
    // First the slot, then the batch: what comes while all slots are taken makes the batch larger.
    while let Ok(place) = places.clone().acquire_owned().await {
        let slot = free.clone().acquire_owned();
        let slot = timeout_at(last_began + Slots::WAIT_MAX, slot).await.ok();
        if inbox.recv_many(&mut batch, BATCH_MAX).await == 0 {
            break;
        }
        let batch = in_time(&admission, &mut batch);
        if batch.is_empty() {
            continue;
        }
        // With a single slot nobody would work meanwhile.
        let linger = (slots.count > 1 && batch.len() >= BUSY_BATCH_MIN).then_some(LINGER);
        let (db, hints, file) = (db.clone(), hints.clone(), file.clone());
        let admission = admission.clone();
        let began = admission.with(|controller, now| {
            controller.begins(now);
            now
        });
        last_began = began.into();
        tokio::spawn(async move {
            commit(db, batch, hints, file).await;
            admission.with(|controller, now| controller.ended(now, began));
            drop(place);
            if let (Some(slot), Some(linger)) = (slot, linger) {
                tokio::time::sleep(linger).await;
                drop(slot);
            }
        });
    }
    // The commits still under way give their places back.
    let _ = places.acquire_many(slots.most as u32).await;
}

/// Those of a batch whose answer can be in time. The others are told now that they were not committed, which is better
/// than to be told too late, or that they may have been.
fn in_time(admission: &Admission, batch: &mut Vec<Waiting>) -> Vec<Waiting> {
    // Whoever has stopped waiting has been told to come back.
    batch.retain(|waiting| !waiting.answer.is_closed());
    let Some(last) = batch.last() else {
        return Vec::new();
    };
    let last = last.since;
    let (mut late, mut in_time) = (Vec::new(), Vec::with_capacity(batch.len()));
    admission.with(|controller, now| {
        controller.taken(now, now.saturating_duration_since(last));
        for waiting in batch.drain(..) {
            match controller.is_too_late(now, waiting.due) {
                true => late.push(waiting),
                false => in_time.push(waiting),
            }
        }
        // Without this, a database that is itself again would never be noticed.
        if in_time.is_empty() && controller.must_try(now) {
            in_time.extend(late.pop());
        }
    });
    for waiting in late {
        // A caller that has gone asks again.
        let _ = waiting.answer.send(Err(NotCommitted::TooMuch));
    }
    in_time
}

async fn commit(
    db: DatabaseConnection,
    waiting: Vec<Waiting>,
    hints: HintSender,
    file: Option<FileWatch>,
) {
    let (batch, answers): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .map(|waiting| (waiting.received, waiting.answer))
        .unzip();
    failpoint::here(Point::ReceiveBeforeCommit);
    let mut outcomes = match receive(&db, &batch).await {
        Ok(receipts) => receipts.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) if lifecycle::refuses_the_data(&error) => one_by_one(&db, &batch).await,
        Err(error) => {
            tracing::error!(event = "batch_not_committed", %error, webhooks = batch.len(), "a batch was not committed");
            vec![Err(NotCommitted::InTime); batch.len()]
        }
    };
    failpoint::here(Point::ReceiveAfterCommit);
    if file.is_some_and(|file| !file.is_in_place()) {
        // Committed, to where nobody will find it. The process is about to say so and to end.
        outcomes.fill(Err(NotCommitted::InTime));
    }
    let new = batch.iter().zip(&outcomes);
    let new = new.filter(|(_, outcome)| **outcome == Ok(Receipt::New));
    hints.send(new.map(|(received, _)| received.id).collect());
    failpoint::here(Point::ReceiveBeforeAnswer);
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // A caller that has gone asks again.
        let _ = answer.send(outcome);
    }
}

/// After the database refused a batch for its data: the good ones must not suffer for a bad one.
async fn one_by_one(
    db: &DatabaseConnection,
    batch: &[Received],
) -> Vec<Result<Receipt, NotCommitted>> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for received in batch {
        let outcome = receive(db, std::slice::from_ref(received)).await;
        outcomes.push(match outcome.as_deref() {
            Ok([receipt]) => Ok(*receipt),
            Ok(_) => Err(NotCommitted::InTime),
            Err(error) => {
                tracing::error!(event = "webhook_not_committed", %error, "a webhook was not committed");
                match lifecycle::refuses_the_data(error) {
                    true => Err(NotCommitted::Refused),
                    false => Err(NotCommitted::InTime),
                }
            }
        });
    }
    outcomes
}

async fn receive(db: &DatabaseConnection, batch: &[Received]) -> Result<Vec<Receipt>, DbErr> {
    lifecycle::receive(db, batch, relay::DUE_IN).await
}

#[cfg(test)]
mod tests;

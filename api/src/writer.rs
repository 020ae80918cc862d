//! The group commit. Handlers hand their webhooks to a long-lived task that commits whatever waits as
//! one batch, and answers each after the commit. A lone webhook is committed at once; what comes meanwhile shares the next
//! commit. What one request brings is never split.
//!
//! A handler's future may be dropped at any await: at the end of the grace period, if not before. So no handler
//! touches the database's write side: only the tasks here do, and nobody drops those.

mod group;
mod not_committed;
mod room;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{
    Webhook,
    lifecycle::{self, Receipt, Received},
};
use failpoint::Point;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout_at,
};
use uuid::Uuid;

use crate::{
    FileWatch,
    admission::Admission,
    arrival::Arrival,
    lane::{Ahead, Lane},
    metrics::{Commits, Outcome, SourceMetrics},
    relay::{self, HintSender},
    repeats::Repeats,
    slots::{BATCH_MAX, Slots},
};
pub(crate) use group::Group;
pub(crate) use not_committed::NotCommitted;
pub(crate) use room::Queued;
use room::{Room, Waiting};

/// A batch of so many requests says that more are on their way.
const BUSY_BATCH_MIN: usize = 4;
/// So long after such a batch its slot takes no other, so that webhooks gather while the other slot works: a commit
/// costs the same for one as for fifty. A lone webhook never waits for this.
const LINGER: Duration = Duration::from_millis(3);

/// The way to the group commit.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Entrance>);

/// Whoever holds it may bring something.
struct Entrance(Arc<Room>);

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.close();
    }
}

pub(crate) struct Inbox(Arc<Room>);

impl Inbox {
    /// For whoever counts what waits.
    pub(crate) fn queued(&self) -> Queued {
        Queued::of(&self.0)
    }
}

/// A writer's two ends. The inbox ends when the last writer is dropped.
pub(crate) fn channel() -> (Writer, Inbox) {
    let room = Arc::new(Room::default());
    (Writer(Arc::new(Entrance(room.clone()))), Inbox(room))
}

impl Writer {
    /// How many webhooks wait before the next one of `lane`.
    pub(crate) fn ahead(&self, lane: Lane) -> Ahead {
        let Entrance(room) = &*self.0;
        room.ahead(lane)
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let Entrance(room) = &*self.0;
        room.waiting()
    }

    /// Waits until the webhooks are committed, all of them, and says at `due` at the latest what became of them. They are of
    /// one source, and what becomes of them is counted there, and traced as what has arrived with `arrival`.
    pub(crate) async fn receive(
        &self,
        webhooks: Group<Webhook>,
        due: Instant,
        source: &Arc<SourceMetrics>,
        arrival: Option<Box<Arrival>>,
    ) -> Result<Group<Receipt>, NotCommitted> {
        let count = webhooks.len();
        let outcome = (self.commit(webhooks, due, (source.clone(), arrival))).await;
        match outcome {
            Err(NotCommitted::TooMuch) => source.came_to(Outcome::Shed, count),
            Err(NotCommitted::InTime) => source.came_to(Outcome::NotCommitted, count),
            // Whoever commits them counts them, whether their sender still waits or not; and what the database refuses for
            // its data is answered as what is refused before.
            Ok(_) | Err(NotCommitted::Refused) => {}
        }
        outcome
    }

    async fn commit(
        &self,
        webhooks: Group<Webhook>,
        due: Instant,
        (source, arrival): (Arc<SourceMetrics>, Option<Box<Arrival>>),
    ) -> Result<Group<Receipt>, NotCommitted> {
        let (answer, answered) = oneshot::channel();
        let lane = Lane::of(webhooks.first.source.as_ref());
        let received = webhooks.map(|webhook| Received {
            id: Uuid::now_v7(),
            webhook,
        });
        let Entrance(room) = &*self.0;
        room.enter(Waiting {
            lane,
            received,
            source,
            arrival,
            since: Instant::now(),
            due,
            answer,
        })?;
        match tokio::time::timeout_at(due.into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(NotCommitted::InTime),
        }
    }
}

/// What a batch is committed with.
#[derive(Clone)]
pub(crate) struct Resources {
    pub(crate) db: DatabaseConnection,
    /// Where the relay is told what has just been committed.
    pub(crate) hints: HintSender,
    /// Where it is counted what had come before.
    pub(crate) repeats: Repeats,
    /// Where it is counted what is committed, and how long that takes.
    pub(crate) commits: Arc<Commits>,
    /// The SQLite file that the database is, if it is one.
    pub(crate) file: Option<FileWatch>,
}

/// Commits until the last [`Writer`] is dropped and everything that waited is answered.
pub(crate) async fn run(
    resources: Resources,
    Inbox(room): Inbox,
    admission: Admission,
    slots: Slots,
) {
    let free = Arc::new(Semaphore::new(slots.count));
    let places = Arc::new(Semaphore::new(slots.most));
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut last_began = tokio::time::Instant::now();
    // First the slot, then the batch: what comes while all slots are taken makes the batch larger.
    while let Ok(place) = places.clone().acquire_owned().await {
        let slot = free.clone().acquire_owned();
        let slot = timeout_at(last_began + Slots::WAIT_MAX, slot).await.ok();
        room.take(&mut batch).await;
        if batch.is_empty() {
            break;
        }
        let batch = in_time(&admission, &mut batch);
        if batch.is_empty() {
            continue;
        }
        // With a single slot nobody would work meanwhile.
        let linger = (slots.count > 1 && batch.len() >= BUSY_BATCH_MIN).then_some(LINGER);
        let (resources, commits) = (resources.clone(), resources.commits.clone());
        let admission = admission.clone();
        let began = admission.with(|controller, now| {
            controller.begins(now);
            now
        });
        last_began = began.into();
        tokio::spawn(async move {
            let webhooks = commit(resources, batch).await;
            commits.ended(webhooks, began.elapsed());
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
    let mut last: BTreeMap<Lane, Instant> = BTreeMap::new();
    for waiting in &*batch {
        // In its lane a later one has come later.
        last.insert(waiting.lane, waiting.since);
    }
    let Some(last) = last.into_values().min() else {
        return Vec::new();
    };
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

/// Commits a batch and answers it; returns how many webhooks it held.
async fn commit(resources: Resources, waiting: Vec<Waiting>) -> usize {
    let Resources {
        db,
        hints,
        repeats,
        file,
        ..
    } = resources;
    let webhooks = waiting.iter().map(|waiting| waiting.received.len()).sum();
    let mut batch = Vec::with_capacity(webhooks);
    let mut answers = Vec::with_capacity(waiting.len());
    for waiting in waiting {
        let told = (waiting.source, waiting.arrival, waiting.answer);
        answers.push((waiting.received.len(), told));
        waiting.received.put_into(&mut batch);
    }
    failpoint::here(Point::ReceiveBeforeCommit);
    let received = match repeats.is_storm() {
        true => lifecycle::receive_repeats(&db, &batch, relay::DUE_IN).await,
        false => receive(&db, &batch).await,
    };
    let mut outcomes = match received {
        Ok(receipts) => receipts.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) if lifecycle::refuses_the_data(&error) => {
            let sizes = answers.iter().map(|(size, ..)| *size);
            group_by_group(&db, &batch, sizes).await
        }
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
    repeats.note(outcomes.iter().flatten());
    failpoint::here(Point::ReceiveBeforeAnswer);
    let (mut outcomes, mut batch) = (outcomes.into_iter(), &batch[..]);
    for (size, (source, arrival, answer)) in answers {
        let (received, others) = batch.split_at(size);
        batch = others;
        if let Some(outcome) = Group::of(outcomes.by_ref().take(size)) {
            count(&source, &outcome);
            if let Some(arrival) = arrival {
                let receipts = outcome.iter().map(|outcome| outcome.as_ref().ok());
                arrival.committed(received, receipts, !answer.is_closed());
            }
            // A caller that has gone asks again.
            let _ = answer.send(outcome.all());
        }
    }
    webhooks
}

/// Counts what was committed.
fn count(source: &SourceMetrics, outcomes: &Group<Result<Receipt, NotCommitted>>) {
    for receipt in outcomes.iter().flatten() {
        source.came_to(Outcome::of(receipt), 1);
    }
}

/// After the database refused a batch for its data: the good ones must not suffer for a bad one. What one request brought
/// stays together.
async fn group_by_group(
    db: &DatabaseConnection,
    mut batch: &[Received],
    sizes: impl Iterator<Item = usize>,
) -> Vec<Result<Receipt, NotCommitted>> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for size in sizes {
        let (group, others) = batch.split_at(size);
        batch = others;
        match receive(db, group).await {
            Ok(receipts) => outcomes.extend(receipts.into_iter().map(Ok)),
            Err(error) => {
                tracing::error!(event = "webhook_not_committed", %error, webhooks = size, "a webhook was not committed");
                let why = match lifecycle::refuses_the_data(&error) {
                    true => NotCommitted::Refused,
                    false => NotCommitted::InTime,
                };
                outcomes.extend(std::iter::repeat_n(Err(why), size));
            }
        }
    }
    outcomes
}

async fn receive(db: &DatabaseConnection, batch: &[Received]) -> Result<Vec<Receipt>, DbErr> {
    lifecycle::receive(db, batch, relay::DUE_IN).await
}

#[cfg(test)]
mod tests;

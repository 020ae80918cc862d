//! The relay: the only publisher. What has just been committed comes to it directly; what fell due in
//! the outbox (after a crash, an outage, a lost hint) it finds by a sweep. Both go the same way.

use std::time::{Duration, Instant};

use entity::lifecycle;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use queue::{Backoff, Error, Publisher, Queue};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// When the sweep takes up what was committed but not noted as published: long enough for the direct
/// way, short enough for whoever waits after a crash.
pub(crate) const DUE_IN: Duration = Duration::from_secs(10);
/// When the sweep looks again at what was published and is still unfinished: the broker may have lost
/// it. Longer than any healthy wait; a message too many costs a look-up.
const AGAIN_IN: Duration = Duration::from_secs(15 * 60);
/// Between sweeps, at least.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The share of its time that a relay may spend on looking for what is due: one part in this many.
const SWEEP_SHARE: u32 = 20;
/// Between sweeps, at most: a sweep that hung with its database says nothing about what the next one costs.
const SWEEP_WITHIN: Duration = DUE_IN;
/// Ids that one sweep claims.
const SWEEP_MAX: u32 = 2048;
/// Ids on their way to the broker and not confirmed.
const WINDOW: usize = 4096;
/// Batches of just committed ids that may wait for the relay. Beyond, they wait in the outbox.
const HINTS_MAX: usize = 256;

/// Where the group commit tells which ids it has just committed.
#[derive(Clone)]
pub(crate) struct Committed(mpsc::Sender<Vec<Uuid>>);

pub(crate) struct Hints(mpsc::Receiver<Vec<Uuid>>);

/// The two ends of the direct way. The hints end when the last `Committed` is dropped.
pub(crate) fn channel() -> (Committed, Hints) {
    let (committed, hints) = mpsc::channel(HINTS_MAX);
    (Committed(committed), Hints(hints))
}

impl Committed {
    /// Tells the relay, if it has room; the outbox has told it already.
    pub(crate) fn tell(&self, ids: Vec<Uuid>) {
        if !ids.is_empty() {
            let _ = self.0.try_send(ids);
        }
    }
}

/// Publishes until the hints end and everything published is confirmed, or, if the broker is out of
/// reach, until `stop`.
pub(crate) async fn run(
    db: DatabaseConnection,
    queue: Queue,
    Hints(mut hints): Hints,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new();
    loop {
        let publisher = tokio::select! {
            publisher = queue.publisher() => publisher,
            () = stop.cancelled() => return,
        };
        let failure = match publisher {
            Ok(publisher) => {
                backoff.reset();
                match Relay::new(&db, publisher).run(&mut hints).await {
                    Ok(()) => return,
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        let wait = backoff.next_wait();
        tracing::warn!(error = %failure, ?wait, "relay lost the queue; what is unpublished waits in the outbox");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One publisher's life.
struct Relay<'a> {
    db: &'a DatabaseConnection,
    publisher: Publisher,
    /// Confirmed by the broker, not noted in the outbox yet.
    confirmed: Vec<Uuid>,
    /// The note under way: at most one. What is confirmed meanwhile is the next one's batch.
    noting: FuturesUnordered<BoxFuture<'a, Result<(), DbErr>>>,
    /// The sweep under way: at most one.
    sweeping: FuturesUnordered<BoxFuture<'a, Swept>>,
    next_sweep: Interval,
}

struct Swept {
    due: Result<Vec<Uuid>, DbErr>,
    took: Duration,
}

impl<'a> Relay<'a> {
    fn new(db: &'a DatabaseConnection, publisher: Publisher) -> Self {
        let mut next_sweep = tokio::time::interval(SWEEP_EVERY);
        next_sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            db,
            publisher,
            confirmed: Vec::new(),
            noting: FuturesUnordered::new(),
            sweeping: FuturesUnordered::new(),
            next_sweep,
        }
    }

    async fn run(mut self, hints: &mut mpsc::Receiver<Vec<Uuid>>) -> Result<(), Error> {
        let mut hints_end = false;
        while !hints_end || self.is_busy() {
            self.start_noting();
            let has_room = self.publisher.unconfirmed() < WINDOW;
            tokio::select! {
                ids = hints.recv(), if has_room && !hints_end => match ids {
                    Some(ids) => self.publisher.publish(&ids).await?,
                    None => hints_end = true,
                },
                ids = self.publisher.confirmed() => self.confirmed.extend(ids?),
                Some(noted) = self.noting.next() => {
                    if let Err(error) = noted {
                        tracing::warn!(%error, "relay could not note what is published; it may publish it again");
                    }
                }
                _ = self.next_sweep.tick(), if has_room && !hints_end && self.sweeping.is_empty() => {
                    self.sweeping.push(sweep(self.db).boxed());
                }
                Some(swept) = self.sweeping.next() => self.publish_due(swept).await?,
            }
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.publisher.unconfirmed() > 0
            || !self.confirmed.is_empty()
            || !self.noting.is_empty()
            || !self.sweeping.is_empty()
    }

    fn start_noting(&mut self) {
        if self.confirmed.is_empty() || !self.noting.is_empty() {
            return;
        }
        let (db, ids) = (self.db, std::mem::take(&mut self.confirmed));
        let note = async move { lifecycle::published(db, &ids, AGAIN_IN).await };
        self.noting.push(note.boxed());
    }

    async fn publish_due(&mut self, Swept { due, took }: Swept) -> Result<(), Error> {
        match due {
            Ok(due) => {
                self.publisher.publish(&due).await?;
                if due.len() == SWEEP_MAX as usize {
                    // There is more.
                    self.next_sweep.reset_immediately();
                    return Ok(());
                }
            }
            Err(error) => tracing::warn!(%error, "relay could not look for what is due"),
        }
        self.next_sweep
            .reset_after((took * SWEEP_SHARE).clamp(SWEEP_EVERY, SWEEP_WITHIN));
        Ok(())
    }
}

async fn sweep(db: &DatabaseConnection) -> Swept {
    let started = Instant::now();
    let due = lifecycle::claim_due(db, SWEEP_MAX, DUE_IN).await;
    Swept {
        due,
        took: started.elapsed(),
    }
}

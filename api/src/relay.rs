//! The relay: the only publisher. What has just been committed comes to it directly; what fell due in
//! the outbox (after a crash, an outage, a lost hint) it finds by a sweep. Both go the same way.

use std::time::{Duration, Instant};

use entity::lifecycle;
use failpoint::Point;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use queue::{Backoff, Depth, Error, Publisher, Queue};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use notes::Notes;

mod notes;

/// When the sweep takes up what was committed but not noted as published: long enough for the direct
/// way and the note, short enough for whoever waits after a crash.
pub(crate) const DUE_IN: Duration = Duration::from_secs(10);
/// Between sweeps, at least.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The share of its time that a relay may spend on looking for what is due: one part in this many. The more ids
/// are unfinished, the longer a look takes, and the longer the pause after it.
const SWEEP_SHARE: u32 = 50;
/// Between sweeps, at most: a sweep that hung with its database says nothing about what the next one costs.
const SWEEP_WITHIN: Duration = DUE_IN;
/// Ids that one sweep claims.
const SWEEP_MAX: u32 = 2048;
/// Messages that wait in the queue beyond which no sweep adds to them: what is due may be among them,
/// and if it is not, it would wait behind them all the same.
const BACKLOG_MAX: usize = 10_000;
/// The pause after everything that was there has been published. Nobody waits for these few
/// milliseconds, and the broker carries what gathers in them at less cost.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);
/// Ids on their way to the broker and not confirmed.
const WINDOW: usize = 4096;
/// Batches of just committed ids that may wait for the relay. Beyond, they wait in the outbox.
const HINTS_MAX: usize = 4096;
/// Batches of them that are published together, at most.
const HINTS_AT_ONCE: usize = 8;
/// A hint that has waited for longer is left to the sweep, which is about to find the id.
const HINT_GOOD_FOR: Duration = Duration::from_secs(DUE_IN.as_secs() - 2);

/// Where the group commit tells which ids it has just committed.
#[derive(Clone)]
pub(crate) struct Committed(mpsc::Sender<Hint>);

pub(crate) struct Hints(mpsc::Receiver<Hint>);

struct Hint {
    ids: Vec<Uuid>,
    committed: Instant,
}

/// The two ends of the direct way. The hints end when the last `Committed` is dropped.
pub(crate) fn channel() -> (Committed, Hints) {
    let (committed, hints) = mpsc::channel(HINTS_MAX);
    (Committed(committed), Hints(hints))
}

impl Committed {
    /// Tells the relay, if it has room; the outbox has told it already.
    pub(crate) fn tell(&self, ids: Vec<Uuid>) {
        if !ids.is_empty() {
            let _ = self.0.try_send(Hint {
                ids,
                committed: Instant::now(),
            });
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
    let mut notes = Notes::new(&db);
    loop {
        let publisher = tokio::select! {
            publisher = queue.publisher() => publisher,
            () = stop.cancelled() => return,
        };
        let failure = match publisher {
            Ok(publisher) => {
                backoff.reset();
                match Relay::new(&db, publisher, &mut notes).run(&mut hints).await {
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
    notes: &'a mut Notes,
    /// The sweep under way: at most one.
    sweeping: FuturesUnordered<BoxFuture<'a, Result<Swept, Error>>>,
    next_sweep: Interval,
    next_publish: tokio::time::Instant,
}

struct Swept {
    due: Result<Vec<Uuid>, DbErr>,
    took: Duration,
}

impl<'a> Relay<'a> {
    fn new(db: &'a DatabaseConnection, publisher: Publisher, notes: &'a mut Notes) -> Self {
        let mut next_sweep = tokio::time::interval(SWEEP_EVERY);
        next_sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            db,
            publisher,
            notes,
            sweeping: FuturesUnordered::new(),
            next_sweep,
            next_publish: tokio::time::Instant::now(),
        }
    }

    async fn run(mut self, hints: &mut mpsc::Receiver<Hint>) -> Result<(), Error> {
        let mut hints_end = false;
        let mut batch = Vec::new();
        while !hints_end || self.is_busy() {
            let has_room = self.publisher.unconfirmed() < WINDOW;
            // What should have been noted by now would fall due for nothing.
            let may_sweep =
                has_room && !hints_end && self.sweeping.is_empty() && !self.notes.are_late();
            let early = tokio::time::Instant::now() < self.next_publish;
            tokio::select! {
                count = hints.recv_many(&mut batch, HINTS_AT_ONCE), if has_room && !hints_end && !early => {
                    if count == 0 {
                        hints_end = true;
                        self.notes.hurry();
                    }
                    self.publish(&mut batch).await?;
                    if hints.is_empty() {
                        self.next_publish = tokio::time::Instant::now() + PUBLISH_EVERY;
                    }
                }
                () = tokio::time::sleep_until(self.next_publish), if early => {}
                confirmed = self.publisher.confirmed() => {
                    let confirmed = confirmed?;
                    failpoint::here(Point::RelayAfterConfirm);
                    self.notes.add(confirmed.acked);
                    if !confirmed.refused.is_empty() {
                        return Err(Error::Refused("it answered with a nack"));
                    }
                }
                () = self.notes.write() => {}
                _ = self.next_sweep.tick(), if may_sweep => {
                    self.sweeping.push(sweep(self.db, self.publisher.depth()).boxed());
                }
                Some(swept) = self.sweeping.next() => self.publish_due(swept?).await?,
            }
        }
        Ok(())
    }

    async fn publish(&mut self, hints: &mut Vec<Hint>) -> Result<(), Error> {
        let good = hints
            .drain(..)
            .filter(|hint| hint.committed.elapsed() <= HINT_GOOD_FOR);
        let ids: Vec<Uuid> = good.flat_map(|hint| hint.ids).collect();
        self.hand_over(&ids).await
    }

    async fn hand_over(&mut self, ids: &[Uuid]) -> Result<(), Error> {
        failpoint::here(Point::RelayBeforePublish);
        self.publisher.publish(ids).await?;
        failpoint::here(Point::RelayBeforeConfirm);
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.publisher.unconfirmed() > 0 || !self.notes.is_empty() || !self.sweeping.is_empty()
    }

    async fn publish_due(&mut self, Swept { due, took }: Swept) -> Result<(), Error> {
        match due {
            Ok(due) => {
                self.hand_over(&due).await?;
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

async fn sweep(
    db: &DatabaseConnection,
    depth: impl Future<Output = Result<Depth, Error>>,
) -> Result<Swept, Error> {
    let started = Instant::now();
    let due = match depth.await?.ready > BACKLOG_MAX {
        true => Ok(Vec::new()),
        false => lifecycle::claim_due(db, SWEEP_MAX, DUE_IN).await,
    };
    Ok(Swept {
        due,
        took: started.elapsed(),
    })
}

//! The loop: what a consumer waits for, and what it does about it.

use entity::lifecycle;
use failpoint::Point;
use futures::{FutureExt, StreamExt};
use queue::Deliveries;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Consumer, persist::persist};
use crate::{
    Error, Resources, Settings,
    circuit::{Allowed, Appetite},
    lease::Change,
    work::Work,
};

pub(crate) async fn run(
    settings: Settings,
    Resources {
        db,
        queue,
        metrics,
        leased,
        tracer,
    }: Resources,
    stop: CancellationToken,
) -> Result<(), Error> {
    // Not subscribed before there is a lease.
    let mut deliveries = queue.deliveries(0);
    tracing::info!(
        event = "consumer_started",
        prefetch = settings.prefetch,
        "consumer started"
    );
    let mut consumer = Consumer::new(db, queue.name(), settings, (metrics, leased, tracer));
    while consumer.step(&mut deliveries, &stop).await? == Step::Handled {}
    let handed_back = consumer.drain(&mut deliveries).await?;
    // First the lease, so that whoever gets what is handed back may work on it at once.
    consumer.lease.end().await;
    deliveries.close().await;
    tracing::info!(event = "consumer_stopped", handed_back, "consumer stopped");
    Ok(())
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Something has happened, and what follows from it has begun.
    Handled,
    /// The consumer has been told to stop.
    Stopped,
}

impl Consumer {
    /// Begins what may begin now, waits until something happens, and handles that.
    ///
    /// # Errors
    /// The consumer cannot go on.
    pub(super) async fn step(
        &mut self,
        deliveries: &mut Deliveries,
        stop: &CancellationToken,
    ) -> Result<Step, Error> {
        let now = Instant::now();
        if now >= self.next_record {
            self.start_recording(now);
        }
        let allowed = self.start_calls(now);
        self.subscribe(deliveries);
        self.metrics.is_now(
            (self.in_flight.len(), self.settings.prefetch),
            (self.circuit.appetite(), self.circuit.because()),
            self.lease.runs(),
        );
        let may_take = now >= self.next_take && self.may_take(allowed);
        if may_take && self.take_suspects(now) {
            return Ok(Step::Handled);
        }
        let calls_from = match allowed {
            Allowed::NoneUntil(until) => Some(until),
            Allowed::Calls(_) | Allowed::NoneYet => None,
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(Step::Stopped),
            change = self.lease.change() => match change? {
                Change::Began => {}
                Change::Lost => self.release_all(deliveries).await,
            },
            batch = deliveries.next(), if may_take => self.receive(batch, Instant::now()),
            () = sleep_until(self.next_take), if now < self.next_take => {}
            () = sleep_until(self.next_record), if now < self.next_record => {}
            () = sleep_until(calls_from.unwrap_or(now)), if calls_from.is_some() => {}
            Some(result) = self.taking.next() => {
                deliveries.settle(self.start_work(result.map_err(Error::Database)?)).await;
            }
            Some(ended) = self.working.next() => self.on_ended(ended, Instant::now()),
            Some(rested) = self.resting.next() => self.on_ended(rested, Instant::now()),
            _ = self.look_at_queue.tick() => if deliveries.queue_was_created() {
                self.note_new_queue();
            },
            _ = self.look_at_pauses.tick() => self.read_pauses(),
            Some(read) = self.reading_pauses.next() => match read {
                Ok(pauses) => self.hear_pauses(pauses),
                Err(error) => tracing::debug!(event = "pauses_not_read", %error, "what is paused could not be read"),
            },
            Some(parked) = self.parking.next() => {
                deliveries.settle(self.settle_parked(parked.map_err(Error::Database)?)).await;
            }
            Some(recorded) = self.recording.next() => {
                deliveries.settle(self.settle_recorded(recorded.map_err(Error::Database)?)).await;
                failpoint::here(Point::ConsumerAfterAck);
            }
            Some(released) = self.releasing.next() => {
                deliveries.settle(self.settle_released(released.map_err(Error::Database)?)).await;
            }
            Some(noted) = self.noting.next() => noted.map_err(Error::Database)?,
        }
        Ok(Step::Handled)
    }

    /// Waits for calls under way, commits and settles everything that is done, and leaves the rest.
    /// Returns how much that is.
    pub(super) async fn drain(&mut self, deliveries: &mut Deliveries) -> Result<usize, Error> {
        let until = Instant::now() + self.settings.grace;
        if matches!(self.settings.work, Work::Simulate { .. }) {
            // Nobody has been called.
            self.working.clear();
        }
        loop {
            self.start_recording(Instant::now());
            if self.working.is_empty() && self.recording.is_empty() {
                self.spans.handed_back(None);
                return Ok(self.in_flight.len());
            }
            tokio::select! {
                change = self.lease.change() => if change? == Change::Lost {
                    self.release_all(deliveries).await;
                },
                () = sleep_until(until), if !self.working.is_empty() => self.working.clear(),
                Some(ended) = self.working.next() => self.on_ended(ended, Instant::now()),
                Some(recorded) = self.recording.next() => {
                    let settled = self.settle_recorded(recorded.map_err(Error::Database)?);
                    deliveries.settle(settled).await;
                }
            }
        }
    }

    /// Whether more may be taken: there is a lease, and what has been taken is at work.
    fn may_take(&self, allowed: Allowed) -> bool {
        let has_room = match allowed {
            Allowed::Calls(more) => self.jobs.len() < more,
            // A limit may grow, and what is at hand then begins at once.
            Allowed::NoneYet => {
                self.circuit.appetite() == Appetite::Full && self.jobs.len() < self.working.len()
            }
            Allowed::NoneUntil(_) => false,
        };
        has_room && self.taking.is_empty() && self.lease.holder().is_some() && !self.is_paused()
    }

    /// Tells the relays that what they have published is gone.
    fn note_new_queue(&mut self) {
        let (db, queue) = (self.db.clone(), self.queue.clone());
        let note = async move {
            let note = || lifecycle::due::queue_created(&db, &queue);
            persist("note that the queue is new", note).await?;
            Ok(())
        };
        self.noting.push(note.boxed());
    }
}

//! The loop: what a consumer waits for, and what it does about it.

use std::time::Duration;

use entity::lifecycle;
use failpoint::Point;
use futures::{FutureExt, StreamExt};
use queue::{Deliveries, Queue};
use sea_orm::DatabaseConnection;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Consumer, persist::persist};
use crate::{
    Error, Settings,
    circuit::{Allowed, Appetite},
    lease::Change,
};

/// From one look at whether the queue had to be created to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    db: DatabaseConnection,
    queue: &Queue,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), Error> {
    // Not subscribed before there is a lease.
    let mut deliveries = queue.deliveries(0);
    tracing::info!(
        event = "consumer_started",
        prefetch = settings.prefetch,
        "consumer started"
    );
    let mut consumer = Consumer::new(db, queue.name(), settings);
    consumer.consume(&mut deliveries, &stop).await?;
    let handed_back = consumer.wind_up(&mut deliveries).await?;
    // First the lease, so that whoever gets what is handed back may work on it at once.
    consumer.lease.end().await;
    deliveries.close().await;
    tracing::info!(event = "consumer_stopped", handed_back, "consumer stopped");
    Ok(())
}

impl Consumer {
    async fn consume(
        &mut self,
        deliveries: &mut Deliveries,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let now = Instant::now();
            if now >= self.next_finish {
                self.start_finishing();
            }
            let allowed = self.start_calls(now);
            self.subscribe(deliveries);
            let may_take = now >= self.next_take && self.may_take(allowed);
            if may_take && self.take_suspects() {
                continue;
            }
            let wait = match allowed {
                Allowed::NoneUntil(until) => Some(until),
                Allowed::Calls(_) | Allowed::NoneYet => None,
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                change = self.lease.change() => match change? {
                    Change::Began => {}
                    Change::Lost => self.abandon(deliveries).await,
                },
                batch = deliveries.next(), if may_take => self.receive(batch),
                () = sleep_until(self.next_take), if now < self.next_take => {}
                () = sleep_until(self.next_finish), if now < self.next_finish => {}
                () = sleep_until(wait.unwrap_or(now)), if wait.is_some() => {}
                Some(asked) = self.taking.next() => {
                    deliveries.settle(self.start_work(asked.map_err(Error::Database)?)).await;
                }
                Some(ended) = self.working.next() => self.on_ended(ended),
                Some(rested) = self.resting.next() => self.on_ended(rested),
                _ = look.tick() => if deliveries.queue_was_created() {
                    self.note_new_queue();
                },
                Some(finished) = self.finishing.next() => {
                    deliveries.settle(self.let_go(finished.map_err(Error::Database)?)).await;
                    failpoint::here(Point::ConsumerAfterAck);
                }
                Some(released) = self.releasing.next() => {
                    deliveries.settle(self.hand_back(released.map_err(Error::Database)?)).await;
                }
                Some(noted) = self.noting.next() => noted.map_err(Error::Database)?,
            }
        }
    }

    /// Whether more may be taken: there is a lease, and what has been taken is at work.
    fn may_take(&self, allowed: Allowed) -> bool {
        let has_room = match allowed {
            Allowed::Calls(more) => self.orders.len() < more,
            // A limit may grow, and what is at hand then begins at once.
            Allowed::NoneYet => {
                self.circuit.appetite() == Appetite::Full && self.orders.len() < self.working.len()
            }
            Allowed::NoneUntil(_) => false,
        };
        has_room && self.taking.is_empty() && self.lease.holder().is_some()
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

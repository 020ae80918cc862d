//! Processing. Owns what happens between a delivery and its settlement: take it, load its row, do the
//! work, commit the outcome, and only then ack. Knows no HTTP and nothing of who published.
//!
//! ```text
//! deliveries ─▶ take ─▶ load ─▶ work ─▶ finish ─▶ settle
//!                │        └ final already: ack · no such row: dead letter
//!                └ already in hand: joins the run in flight
//! ```

mod in_hand;
mod work;

use std::{collections::HashMap, time::Duration};

use entity::{Status, lifecycle};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use queue::{Backoff, Deliveries, Delivery, Queue, Settlement};
use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use in_hand::InHand;
use work::Running;
pub use work::Work;

/// Outcomes that are committed together, at most.
const FINISH_BATCH_MAX: usize = 2048;

/// Consumes until `stop`. Holds at most `prefetch` deliveries, all of them at work at once.
///
/// On `stop` it takes nothing more, commits and acks what is done, and hands the rest back to the
/// queue; returns when that has happened.
pub async fn run(
    db: DatabaseConnection,
    queue: &Queue,
    work: Work,
    prefetch: u32,
    stop: CancellationToken,
) {
    let mut consumer = Consumer {
        db,
        work,
        in_hand: InHand::default(),
        working: FuturesUnordered::new(),
        done: Vec::new(),
        loading: FuturesUnordered::new(),
        finishing: FuturesUnordered::new(),
    };
    let mut deliveries = queue.deliveries(prefetch);
    tracing::info!(prefetch, "consumer started");
    consumer.consume(&mut deliveries, &stop).await;
    let handed_back = consumer.wind_up(&mut deliveries).await;
    deliveries.close().await;
    tracing::info!(handed_back, "consumer stopped");
}

struct Consumer {
    db: DatabaseConnection,
    work: Work,
    /// Everything between delivery and settlement.
    in_hand: InHand,
    /// One small future for each id at work.
    working: FuturesUnordered<Running>,
    /// Worked on, not committed yet.
    done: Vec<Uuid>,
    /// The look-up under way: at most one. What arrives meanwhile is the next one's batch.
    loading: FuturesUnordered<BoxFuture<'static, Loaded>>,
    /// The commit under way: at most one. What is done meanwhile is the next one's batch.
    finishing: FuturesUnordered<BoxFuture<'static, Vec<Uuid>>>,
}

/// What a look-up asked for, and what it found.
struct Loaded {
    ids: Vec<Uuid>,
    statuses: HashMap<Uuid, Status>,
}

impl Consumer {
    async fn consume(&mut self, deliveries: &mut Deliveries, stop: &CancellationToken) {
        loop {
            self.start_finishing();
            tokio::select! {
                () = stop.cancelled() => return,
                batch = deliveries.next(), if self.loading.is_empty() => self.take(batch),
                Some(loaded) = self.loading.next() => {
                    deliveries.settle(self.start_work(loaded)).await;
                }
                Some(id) = self.working.next() => {
                    self.done.push(id);
                    // The others that are ready too.
                    while let Some(Some(id)) = self.working.next().now_or_never() {
                        self.done.push(id);
                    }
                }
                Some(finished) = self.finishing.next() => {
                    deliveries.settle(self.in_hand.acks(finished)).await;
                }
            }
        }
    }

    /// Takes deliveries in hand and looks up those that are new to this process.
    fn take(&mut self, batch: Vec<Delivery>) {
        let ids: Vec<Uuid> = batch
            .into_iter()
            .filter_map(|delivery| self.in_hand.take(delivery))
            .collect();
        if ids.is_empty() {
            return;
        }
        let db = self.db.clone();
        let load = async move {
            let statuses = persist("look up", || lifecycle::load(&db, &ids)).await;
            Loaded { ids, statuses }
        };
        self.loading.push(load.boxed());
    }

    /// Starts the work on what is unfinished; returns the settlements of the rest.
    fn start_work(&mut self, loaded: Loaded) -> Vec<(Delivery, Settlement)> {
        let mut settled = Vec::new();
        for id in loaded.ids {
            match loaded.statuses.get(&id) {
                Some(Status::Processing) => self.working.push(self.work.start(id)),
                Some(Status::Processed | Status::Failed) => {
                    settled.extend(self.in_hand.release(id, Settlement::Ack));
                }
                None => {
                    tracing::warn!(%id, "a message that names no row goes to the dead-letter queue");
                    settled.extend(self.in_hand.release(id, Settlement::DeadLetter));
                }
            }
        }
        settled
    }

    fn start_finishing(&mut self) {
        if self.done.is_empty() || !self.finishing.is_empty() {
            return;
        }
        let rest = self.done.len().saturating_sub(FINISH_BATCH_MAX);
        let ids = self.done.split_off(rest);
        let db = self.db.clone();
        let finish = async move {
            persist("finish", || lifecycle::finish(&db, &ids)).await;
            ids
        };
        self.finishing.push(finish.boxed());
    }

    /// Commits and settles everything that is done; leaves the rest. Returns how much that is.
    async fn wind_up(&mut self, deliveries: &mut Deliveries) -> usize {
        loop {
            self.start_finishing();
            let Some(finished) = self.finishing.next().await else {
                return self.in_hand.len();
            };
            deliveries.settle(self.in_hand.acks(finished)).await;
        }
    }
}

/// Repeats a call to the database until it succeeds: what is in hand stays there meanwhile, unacked.
async fn persist<T, F>(doing: &'static str, call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, DbErr>>,
{
    let mut backoff = Backoff::new();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => {
                let wait: Duration = backoff.next_wait();
                tracing::warn!(%error, ?wait, "consumer could not {doing}; trying again");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

//! Processing. Owns what happens between a delivery and its settlement: take its id, do the work,
//! commit the outcome, and only then ack. Knows nothing of who published.
//!
//! ```text
//! deliveries ─▶ receive ─▶ take ─▶ work ─▶ finish ─▶ settle
//!                  │         └ final, or another's: ack · no such row: dead letter
//!                  └ already in hand: joins the run in flight
//! ```

#[cfg_attr(not(test), expect(dead_code, reason = "not wired in yet"))]
mod breaker;
mod in_hand;
mod lease;
mod work;

use std::{collections::HashSet, time::Duration};

use entity::{
    Status,
    lifecycle::{self, Holder, Taken},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use queue::{Backoff, Deliveries, Delivery, Queue, Settlement};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use in_hand::InHand;
use lease::{Change, Lease};
use work::Running;
pub use work::Work;

/// Outcomes that are committed together, at most.
const FINISH_BATCH_MAX: usize = 2048;
/// From one call to the database to the next of its kind, at least. Nobody waits for these few
/// milliseconds, and what gathers in them shares one commit.
const CALL_EVERY: Duration = Duration::from_millis(20);
/// When the relay looks again at an id that a consumer has taken, whatever its lease says.
const AGAIN_IN: Duration = Duration::from_secs(15 * 60);

/// Who else may work on the same transactions.
#[derive(Clone, Copy, Debug)]
pub enum Company {
    /// Other consumers: everybody works under a lease of this length.
    Others {
        /// How long the others leave a consumer's work alone after its last sign of life.
        lease: Duration,
    },
    /// Nobody: this process has the database for itself.
    Nobody,
}

/// Consumes until `stop`. Holds at most `prefetch` deliveries, all of them at work at once.
///
/// On `stop` it takes nothing more, commits and acks what is done, and hands the rest back to the
/// queue; returns when that has happened.
pub async fn run(
    db: DatabaseConnection,
    queue: &Queue,
    work: Work,
    prefetch: u32,
    company: Company,
    stop: CancellationToken,
) {
    tokio::join!(
        consume(db.clone(), queue, work, prefetch, company, stop.clone()),
        lease::reclaim(db, company, stop),
    );
}

async fn consume(
    db: DatabaseConnection,
    queue: &Queue,
    work: Work,
    prefetch: u32,
    company: Company,
    stop: CancellationToken,
) {
    let mut consumer = Consumer {
        lease: Lease::new(db.clone(), company),
        db,
        work,
        in_hand: InHand::default(),
        working: FuturesUnordered::new(),
        done: Vec::new(),
        taking: FuturesUnordered::new(),
        finishing: FuturesUnordered::new(),
        next_take: Instant::now(),
        next_finish: Instant::now(),
    };
    let mut deliveries = queue.deliveries(prefetch);
    tracing::info!(prefetch, "consumer started");
    consumer.consume(&mut deliveries, &stop).await;
    let handed_back = consumer.wind_up(&mut deliveries).await;
    // First the lease, so that whoever gets what is handed back may work on it at once.
    consumer.lease.end().await;
    deliveries.close().await;
    tracing::info!(handed_back, "consumer stopped");
}

struct Consumer {
    db: DatabaseConnection,
    lease: Lease,
    work: Work,
    /// Everything between delivery and settlement.
    in_hand: InHand,
    /// One small future for each id at work.
    working: FuturesUnordered<Running>,
    /// Worked on, not committed yet.
    done: Vec<Uuid>,
    /// The taking under way: at most one. What arrives meanwhile is the next one's batch.
    taking: FuturesUnordered<BoxFuture<'static, Asked>>,
    /// The commit under way: at most one. What is done meanwhile is the next one's batch.
    finishing: FuturesUnordered<BoxFuture<'static, Vec<Uuid>>>,
    next_take: Instant,
    next_finish: Instant,
}

/// What was asked for, in whose name, and what came of it.
struct Asked {
    holder: Holder,
    ids: Vec<Uuid>,
    taken: Taken,
}

impl Consumer {
    async fn consume(&mut self, deliveries: &mut Deliveries, stop: &CancellationToken) {
        loop {
            let now = Instant::now();
            if now >= self.next_finish {
                self.start_finishing();
            }
            let may_take =
                now >= self.next_take && self.taking.is_empty() && self.lease.holder().is_some();
            tokio::select! {
                () = stop.cancelled() => return,
                change = self.lease.change() => match change {
                    Change::Began => {}
                    Change::Lost => deliveries.settle(self.abandon()).await,
                },
                batch = deliveries.next(), if may_take => self.receive(batch),
                () = sleep_until(self.next_take), if now < self.next_take => {}
                () = sleep_until(self.next_finish), if now < self.next_finish => {}
                Some(asked) = self.taking.next() => {
                    deliveries.settle(self.start_work(asked)).await;
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

    /// Takes deliveries in hand, and in the database those that are new to this process.
    fn receive(&mut self, batch: Vec<Delivery>) {
        let ids: Vec<Uuid> = batch
            .into_iter()
            .filter_map(|delivery| self.in_hand.take(delivery))
            .collect();
        let Some(holder) = self.lease.holder() else {
            // It has run out just now; `abandon` hands them back.
            return;
        };
        if ids.is_empty() {
            return;
        }
        self.next_take = Instant::now() + CALL_EVERY;
        let db = self.db.clone();
        let take = async move {
            let take = || lifecycle::take(&db, holder, ids.clone(), AGAIN_IN);
            let taken = persist("take", take).await;
            Asked { holder, ids, taken }
        };
        self.taking.push(take.boxed());
    }

    /// Starts the work on what is ours; returns the settlements of the rest.
    fn start_work(&mut self, Asked { holder, ids, taken }: Asked) -> Vec<(Delivery, Settlement)> {
        if self.lease.holder() != Some(holder) {
            // The answer is of no use without the lease, and everything has been handed back.
            return Vec::new();
        }
        let all_mine = taken.mine.len() == ids.len();
        for id in &taken.mine {
            self.working.push(self.work.start(*id));
        }
        if all_mine {
            return Vec::new();
        }
        let mine: HashSet<Uuid> = taken.mine.into_iter().collect();
        let rest = ids.into_iter().filter(|id| !mine.contains(id));
        let mut settled = Vec::new();
        for id in rest {
            let settlement = match taken.others.get(&id) {
                Some(Status::Processed | Status::Failed) => Settlement::Ack,
                // Another consumer holds it. This message was a hint that came too often: should
                // that one die, the outbox brings the id back.
                Some(Status::Processing) => Settlement::Ack,
                None => {
                    tracing::warn!(%id, "a message that names no row goes to the dead-letter queue");
                    Settlement::DeadLetter
                }
            };
            settled.extend(self.in_hand.release(id, settlement));
        }
        settled
    }

    /// Stops all work and hands everything back: others may begin on it from now on.
    fn abandon(&mut self) -> Vec<(Delivery, Settlement)> {
        tracing::warn!(
            in_hand = self.in_hand.len(),
            "consumer could not renew its lease in time; everything in hand goes back to the queue"
        );
        self.working.clear();
        self.done.clear();
        self.in_hand.release_all(Settlement::Requeue)
    }

    fn start_finishing(&mut self) {
        if self.done.is_empty() || !self.finishing.is_empty() {
            return;
        }
        let Some(holder) = self.lease.holder() else {
            return;
        };
        self.next_finish = Instant::now() + CALL_EVERY;
        let rest = self.done.len().saturating_sub(FINISH_BATCH_MAX);
        let ids = self.done.split_off(rest);
        let db = self.db.clone();
        let finish = async move {
            persist("finish", || lifecycle::finish(&db, holder, &ids)).await;
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

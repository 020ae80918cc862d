//! From a delivery to its settlement: one loop, which owns everything that is in hand.

mod finish;

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use entity::{
    Status, Verdict,
    lifecycle::{self, Conclusion, Holder, LOOK_AGAIN_IN, Next, Order, Taken},
};
use failpoint::Point;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use queue::{Deliveries, Delivery, Queue, Settlement};
use sea_orm::DatabaseConnection;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Settings,
    breaker::{Breaker, Gate},
    in_hand::InHand,
    lease::{Change, Lease},
    persist,
    suspects::{CRASHES_MAX, Suspects, TRUSTED_CRASHES},
    work::{Ended, Running, Work},
};
use finish::Finished;

/// From one call to the database to the next of its kind, at least. Nobody waits for these few
/// milliseconds, and what gathers in them shares one commit.
const CALL_EVERY: Duration = Duration::from_millis(20);

pub(crate) async fn run(
    db: DatabaseConnection,
    queue: &Queue,
    settings: Settings,
    stop: CancellationToken,
) {
    let mut deliveries = queue.deliveries(settings.prefetch);
    tracing::info!(prefetch = settings.prefetch, "consumer started");
    let mut consumer = Consumer::new(db, settings);
    consumer.consume(&mut deliveries, &stop).await;
    let handed_back = consumer.wind_up(&mut deliveries).await;
    // First the lease, so that whoever gets what is handed back may work on it at once.
    consumer.lease.end().await;
    deliveries.close().await;
    tracing::info!(handed_back, "consumer stopped");
}

struct Consumer {
    db: DatabaseConnection,
    settings: Settings,
    lease: Lease,
    /// Everything between delivery and settlement.
    in_hand: InHand,
    suspects: Suspects,
    /// Whether the far side is believed to be there.
    breaker: Breaker,
    /// Taken, and not begun because of the breaker.
    orders: VecDeque<Order>,
    /// One small future for each call, or for all that is simulated together.
    working: FuturesUnordered<Running>,
    /// Worked on without any doubt, not committed yet.
    done: Vec<Uuid>,
    /// What came of the rest, not committed yet.
    conclusions: Vec<Conclusion>,
    /// The taking under way: at most one. What arrives meanwhile is the next one's batch.
    taking: FuturesUnordered<BoxFuture<'static, Asked>>,
    /// The commit under way: at most one. What is done meanwhile is the next one's batch.
    finishing: FuturesUnordered<BoxFuture<'static, Finished>>,
    next_take: Instant,
    next_finish: Instant,
}

/// What was asked for, in whose name, and what came of it.
struct Asked {
    holder: Holder,
    ids: Vec<Uuid>,
    taken: Taken,
    /// For what is ours, where the work needs to know what it is.
    orders: Vec<Order>,
}

type Settled = Vec<(Delivery, Settlement)>;

impl Consumer {
    fn new(db: DatabaseConnection, settings: Settings) -> Self {
        Self {
            lease: Lease::new(db.clone(), settings.company),
            db,
            settings,
            in_hand: InHand::default(),
            suspects: Suspects::default(),
            breaker: Breaker::new(),
            orders: VecDeque::new(),
            working: FuturesUnordered::new(),
            done: Vec::new(),
            conclusions: Vec::new(),
            taking: FuturesUnordered::new(),
            finishing: FuturesUnordered::new(),
            next_take: Instant::now(),
            next_finish: Instant::now(),
        }
    }

    async fn consume(&mut self, deliveries: &mut Deliveries, stop: &CancellationToken) {
        loop {
            let now = Instant::now();
            if now >= self.next_finish {
                self.start_finishing();
            }
            let gate = self.start_calls(now);
            let may_take = now >= self.next_take
                && self.taking.is_empty()
                && self.lease.holder().is_some()
                && match gate {
                    Gate::Open => true,
                    Gate::One => self.orders.is_empty(),
                    Gate::Shut { .. } => false,
                };
            if may_take && self.take_suspects() {
                continue;
            }
            let knock = match gate {
                Gate::Shut { until } => until,
                Gate::Open | Gate::One => None,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                change = self.lease.change() => match change {
                    Change::Began => {}
                    Change::Lost => deliveries.settle(self.abandon()).await,
                },
                batch = deliveries.next(), if may_take => self.receive(batch),
                () = sleep_until(self.next_take), if now < self.next_take => {}
                () = sleep_until(self.next_finish), if now < self.next_finish => {}
                () = sleep_until(knock.unwrap_or(now)), if knock.is_some() => {}
                Some(asked) = self.taking.next() => {
                    deliveries.settle(self.start_work(asked)).await;
                }
                Some(ended) = self.working.next() => self.hear(ended),
                Some(finished) = self.finishing.next() => {
                    deliveries.settle(self.let_go(finished)).await;
                    failpoint::here(Point::ConsumerAfterAck);
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
        if !ids.is_empty() {
            self.take(ids, TRUSTED_CRASHES);
        }
    }

    /// Takes those suspects whose turn it is. Returns whether there are any.
    fn take_suspects(&mut self) -> bool {
        let ids = self.suspects.admit(self.settings.prefetch);
        let any = !ids.is_empty();
        if any {
            self.take(ids, i32::MAX);
        }
        any
    }

    fn take(&mut self, ids: Vec<Uuid>, crashes_max: i32) {
        let Some(holder) = self.lease.holder() else {
            // It has run out just now; `abandon` hands them back.
            return;
        };
        self.next_take = Instant::now() + CALL_EVERY;
        let db = self.db.clone();
        let needs_orders = matches!(self.settings.work, Work::Http(_));
        let take = async move {
            let take = || lifecycle::take(&db, holder, ids.clone(), crashes_max, LOOK_AGAIN_IN);
            failpoint::here(Point::ConsumerBeforeTake);
            let taken = persist("take", take).await;
            failpoint::here(Point::ConsumerAfterTake);
            let orders = match needs_orders {
                true => persist("read", || lifecycle::orders(&db, &taken.mine)).await,
                false => Vec::new(),
            };
            Asked {
                holder,
                ids,
                taken,
                orders,
            }
        };
        self.taking.push(take.boxed());
    }

    /// Starts the work on what is ours; returns the settlements of the rest.
    fn start_work(&mut self, asked: Asked) -> Settled {
        let Asked {
            holder, ids, taken, ..
        } = asked;
        if self.lease.holder() != Some(holder) {
            // The answer is of no use without the lease, and everything has been handed back.
            return Vec::new();
        }
        let all_mine = taken.mine.len() == ids.len();
        let (poisonous, mine): (Vec<Uuid>, Vec<Uuid>) = taken
            .mine
            .iter()
            .partition(|id| self.suspects.is_poison(**id));
        match &self.settings.work {
            Work::Simulate { delay } => self.working.push(Work::simulate(*delay, mine)),
            Work::Http(_) => self.orders.extend(
                asked
                    .orders
                    .into_iter()
                    .filter(|order| !poisonous.contains(&order.id)),
            ),
        }
        self.conclusions.extend(poisonous.into_iter().map(poison));
        if all_mine {
            return Vec::new();
        }
        for (id, crashes) in &taken.suspects {
            self.suspects.add(*id, *crashes);
        }
        let mine: HashSet<Uuid> = taken.mine.into_iter().collect();
        let is_settled = |id: &Uuid| !mine.contains(id) && !taken.suspects.contains_key(id);
        let mut settled = Vec::new();
        for id in ids.into_iter().filter(is_settled) {
            let settlement = match taken.others.get(&id) {
                Some(Status::Processed) => Settlement::Ack,
                // Perhaps whoever gave it up died before it could say so.
                Some(Status::Failed) => Settlement::DeadLetter,
                // Another consumer holds it, or it waits for its next attempt. This message was a hint
                // that came too often: the outbox brings the id back when it should be.
                Some(Status::Processing) => Settlement::Ack,
                None => {
                    tracing::warn!(%id, "a message that names no row goes to the dead-letter queue");
                    Settlement::DeadLetter
                }
            };
            self.suspects.forget(id);
            settled.extend(self.in_hand.release(id, settlement, settlement));
        }
        settled
    }

    /// Starts as many calls as the breaker lets through; returns what it says then.
    fn start_calls(&mut self, now: Instant) -> Gate {
        let Work::Http(far_side) = &self.settings.work else {
            return Gate::Open;
        };
        loop {
            let gate = self.breaker.gate(now);
            let next = match gate {
                Gate::Open | Gate::One => self.orders.pop_front(),
                Gate::Shut { .. } => None,
            };
            let Some(order) = next else {
                return gate;
            };
            self.breaker.started(order.id, now);
            self.working.push(Work::call(far_side, order));
        }
    }

    /// Notes what has ended: this one, and the others that have too.
    fn hear(&mut self, ended: Ended) {
        failpoint::here(Point::ConsumerAtWork);
        let now = Instant::now();
        let mut next = Some(ended);
        while let Some(ended) = next {
            match ended {
                Ended::Simulated(ids) => self.done.extend(ids),
                Ended::Called(called) => {
                    self.breaker.heard(&called.attempt, now);
                    self.conclusions
                        .push(self.settings.retries.conclude(called.attempt));
                }
            }
            next = self.working.next().now_or_never().flatten();
        }
    }
}

/// The end of what has killed its consumer again and again.
fn poison(id: Uuid) -> Conclusion {
    Conclusion {
        id,
        attempt: None,
        next: Next::Failed {
            verdict: Verdict::Poison,
            reason: format!("{CRASHES_MAX} consumers died while they worked on it"),
        },
    }
}

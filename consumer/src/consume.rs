//! From a delivery to its settlement: one loop, which owns everything that is in hand.

mod finish;
mod subscription;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use entity::{
    Status, Verdict,
    lifecycle::{self, Conclusion, Holder, LOOK_AGAIN_IN, Next, Order, Taken},
};
use failpoint::Point;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use queue::{Backoff, Deliveries, Delivery, Queue, Settlement};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Error, Settings,
    circuit::{Allowed, Appetite, Circuit},
    in_hand::InHand,
    lease::{Change, Lease},
    suspects::{CRASHES_MAX, Suspects, TRUSTED_CRASHES},
    work::{Ended, Job, Running, Work, http::Called},
};
use finish::Finished;

/// From one call to the database to the next of its kind, at least. Nobody waits for these few
/// milliseconds, and what gathers in them shares one commit.
const CALL_EVERY: Duration = Duration::from_millis(20);
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
    tracing::info!(prefetch = settings.prefetch, "consumer started");
    let mut consumer = Consumer::new(db, queue.name(), settings);
    consumer.consume(&mut deliveries, &stop).await?;
    let handed_back = consumer.wind_up(&mut deliveries).await?;
    // First the lease, so that whoever gets what is handed back may work on it at once.
    consumer.lease.end().await;
    deliveries.close().await;
    tracing::info!(handed_back, "consumer stopped");
    Ok(())
}

struct Consumer {
    db: DatabaseConnection,
    /// The queue's name.
    queue: String,
    settings: Settings,
    lease: Lease,
    /// Everything between delivery and settlement.
    in_hand: InHand,
    suspects: Suspects,
    /// Whether calls may begin, and how many.
    circuit: Circuit,
    /// Taken, and not begun because of the circuit.
    orders: VecDeque<Job>,
    /// Jobs that stay here for another attempt, until the one before is recorded.
    held: HashMap<Uuid, Job>,
    /// Then they rest until it is time.
    resting: FuturesUnordered<Running>,
    /// One small future for each call, or for all that is simulated together.
    working: FuturesUnordered<Running>,
    /// Worked on without any doubt, not committed yet.
    done: Vec<Uuid>,
    /// What came of the rest, not committed yet.
    conclusions: Vec<Conclusion>,
    /// The taking under way: at most one. What arrives meanwhile is the next one's batch.
    taking: FuturesUnordered<BoxFuture<'static, Result<Asked, DbErr>>>,
    /// The commit under way: at most one. What is done meanwhile is the next one's batch.
    finishing: FuturesUnordered<BoxFuture<'static, Result<Finished, DbErr>>>,
    /// What is being given up because the circuit is open.
    releasing: FuturesUnordered<BoxFuture<'static, Result<Vec<Uuid>, DbErr>>>,
    /// The note that the queue is new. Nobody else may know it, so it outlives a lost lease.
    noting: FuturesUnordered<BoxFuture<'static, Result<(), DbErr>>>,
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
    fn new(db: DatabaseConnection, queue: &str, settings: Settings) -> Self {
        Self {
            lease: Lease::new(db.clone(), settings.tenancy),
            db,
            queue: queue.to_owned(),
            settings,
            in_hand: InHand::default(),
            suspects: Suspects::default(),
            circuit: Circuit::new(),
            orders: VecDeque::new(),
            held: HashMap::new(),
            resting: FuturesUnordered::new(),
            working: FuturesUnordered::new(),
            done: Vec::new(),
            conclusions: Vec::new(),
            taking: FuturesUnordered::new(),
            finishing: FuturesUnordered::new(),
            releasing: FuturesUnordered::new(),
            noting: FuturesUnordered::new(),
            next_take: Instant::now(),
            next_finish: Instant::now(),
        }
    }

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
            let taken = persist("take", take).await?;
            failpoint::here(Point::ConsumerAfterTake);
            let orders = match needs_orders {
                true => persist("read", || lifecycle::orders(&db, &taken.mine)).await?,
                false => Vec::new(),
            };
            Ok(Asked {
                holder,
                ids,
                taken,
                orders,
            })
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
            Work::Simulate { .. } if mine.is_empty() => {}
            Work::Simulate { delay } => self.working.push(Work::simulate(*delay, mine)),
            Work::Http(_) => self.orders.extend(
                asked
                    .orders
                    .into_iter()
                    .filter(|order| !poisonous.contains(&order.id))
                    .map(Job),
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
                    tracing::warn!(
                        event = "unknown_id", %id,
                        "a message that names no row goes to the dead-letter queue: does another \
                         database use this queue?"
                    );
                    Settlement::DeadLetter
                }
            };
            self.suspects.forget(id);
            // What has joined came while the database was asked: it may bring what is ours to take by now.
            settled.extend(self.in_hand.release(id, settlement, Settlement::Requeue));
        }
        settled
    }

    /// Starts as many calls as the circuit lets through; returns what it says then. None begins without a lease.
    fn start_calls(&mut self, now: Instant) -> Allowed {
        let Work::Http(far_side) = &self.settings.work else {
            return Allowed::Calls(usize::MAX);
        };
        loop {
            let allowed = self.circuit.allowed(now, self.working.len());
            if !matches!(allowed, Allowed::Calls(_)) || self.lease.holder().is_none() {
                return allowed;
            }
            let Some(job) = self.orders.pop_front() else {
                return allowed;
            };
            self.circuit.started(job.0.id);
            self.working.push(Work::call(far_side, job));
        }
    }

    /// Notes what has ended: this one, and the others that have too.
    fn on_ended(&mut self, ended: Ended) {
        failpoint::here(Point::ConsumerAtWork);
        let now = Instant::now();
        let mut next = Some(ended);
        while let Some(ended) = next {
            match ended {
                Ended::Simulated(ids) => self.done.extend(ids),
                Ended::Called(called, job) => self.on_called(*called, job, now),
                Ended::Rested(job) => self.orders.push_front(job),
            }
            next = self.working.next().now_or_never().flatten();
        }
    }
}

/// Repeats a call to the database until it succeeds: what is in hand stays there meanwhile, unacked.
///
/// # Errors
/// No repetition would help: the data is refused, or the call itself.
async fn persist<T, F>(doing: &'static str, call: impl Fn() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let mut backoff = Backoff::new();
    loop {
        match call().await {
            Err(error)
                if !lifecycle::refuses_the_data(&error) && !lifecycle::can_never_work(&error) =>
            {
                let wait: Duration = backoff.next_wait();
                tracing::warn!(%error, ?wait, "consumer could not {doing}; trying again");
                tokio::time::sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}

impl Consumer {
    fn on_called(&mut self, called: Called, job: Job, now: Instant) {
        let progress = job.progress();
        let charge = self.circuit.ended(&called, progress.is_fresh(), now);
        let schedule = &self.settings.retries;
        let conclusion = schedule.conclude(called.attempt, progress, charge);
        if matches!(conclusion.next, Next::Held { .. }) {
            self.held.insert(conclusion.id, job);
        }
        self.conclusions.push(conclusion);
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

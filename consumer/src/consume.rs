//! From a delivery to its settlement: one loop ([`run`](mod@run)), which owns everything that is in flight. Here is what that
//! is; the files below are the loop and its steps.

mod finish;
mod persist;
mod run;
mod subscription;
mod take;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use entity::{
    Status,
    lifecycle::{Conclusion, Holder, Order, Taken},
};
use futures::{future::BoxFuture, stream::FuturesUnordered};
use queue::{Delivery, Settlement};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    Settings,
    circuit::Circuit,
    in_flight::InFlight,
    lease::Lease,
    suspects::Suspects,
    work::{Job, Running},
};
pub(crate) use run::run;

/// From one call to the database to the next of its kind, at least. Nobody waits for these few
/// milliseconds, and what gathers in them shares one commit.
const CALL_EVERY: Duration = Duration::from_millis(20);

/// Everything that is in flight, and what decides about it.
struct Consumer {
    db: DatabaseConnection,
    /// The queue's name.
    queue: String,
    settings: Settings,
    lease: Lease,
    /// Everything between delivery and settlement.
    in_flight: InFlight,
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

/// What has been committed.
enum Finished {
    Done(Vec<Uuid>),
    Concluded(Vec<Conclusion>),
    /// Not all of them were ours any more: where each of them is now.
    Standing(Vec<Uuid>, HashMap<Uuid, Status>),
}

/// What becomes of deliveries.
type Settled = Vec<(Delivery, Settlement)>;

impl Consumer {
    fn new(db: DatabaseConnection, queue: &str, settings: Settings) -> Self {
        Self {
            lease: Lease::new(db.clone(), settings.tenancy),
            db,
            queue: queue.to_owned(),
            settings,
            in_flight: InFlight::default(),
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
}

//! From a delivery to its settlement: one loop ([`run`](mod@run)), which owns everything that is in flight. Here is what that
//! is; the files below are the loop and its steps.

mod large;
mod park;
mod persist;
mod record;
mod run;
mod settle;
mod subscription;
mod take;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use entity::{
    SourceName, Status,
    lifecycle::{Holder, Job, Record, Taken, operate::pause::Pauses},
};
use futures::{future::BoxFuture, stream::FuturesUnordered};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::watch,
    time::{Instant, Interval, interval},
};
use trace::Tracer;
use uuid::Uuid;

use crate::{
    Metrics, Settings, circuit::Circuit, in_flight::InFlight, lease::Lease, metrics::OfSource,
    spans::Spans, suspects::Suspects, work::Running,
};
use large::{LARGE_BYTES_MAX, Large};
pub(crate) use run::run;

/// From one call to the database to the next of its kind, at least. Nobody waits for these few
/// milliseconds, and what gathers in them shares one commit.
const CALL_EVERY: Duration = Duration::from_millis(20);

/// From one look at whether the queue had to be created to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From one look at what is paused to the next.
const LOOK_AT_PAUSES_EVERY: Duration = Duration::from_secs(1);

/// Calls to the database that are under way.
type Calls<T> = FuturesUnordered<BoxFuture<'static, Result<T, DbErr>>>;

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
    /// Taken, and not begun because of the circuit, or for want of room.
    jobs: VecDeque<Arc<Job>>,
    large: Large,
    /// Jobs that stay here for another attempt, until the one before is recorded.
    held: HashMap<Uuid, Arc<Job>>,
    /// Then they rest until it is time.
    resting: FuturesUnordered<Running>,
    /// One small future for each call, or for all that is simulated together.
    working: FuturesUnordered<Running>,
    /// What came of the work, not committed yet.
    records: Vec<Record>,
    /// The taking under way: at most one. What arrives meanwhile is the next one's batch.
    taking: Calls<TakeResult>,
    /// The commit under way: at most one. What is done meanwhile is the next one's batch.
    recording: Calls<Recorded>,
    /// What is being given up because the circuit is open.
    releasing: Calls<Vec<Uuid>>,
    /// What is paused, as it was read last; `None` before that, when nothing may begin.
    pauses: Option<Pauses>,
    reading_pauses: Calls<Pauses>,
    /// What is being put aside because its source is paused.
    parking: Calls<Vec<Uuid>>,
    /// The note that the queue is new. Nobody else may know it, so it outlives a lost lease.
    noting: Calls<()>,
    next_take: Instant,
    next_record: Instant,
    look_at_queue: Interval,
    look_at_pauses: Interval,
    metrics: Arc<Metrics>,
    /// Where the end of a transaction is counted whose last call has ended, until that is committed.
    ended: HashMap<Uuid, Arc<OfSource>>,
    spans: Spans,
}

/// What was asked for, in whose name, and what came of it.
struct TakeResult {
    holder: Holder,
    ids: Vec<Uuid>,
    taken: Taken,
    /// For what is ours, where the work needs to know what it is.
    jobs: Vec<Job>,
    /// Whose it is, where that matters because a source is paused.
    sources: HashMap<Uuid, SourceName>,
}

/// What has been committed.
enum Recorded {
    /// All of it.
    All(Vec<Record>),
    /// Not all of them were ours any more: where each of them is now.
    Standing(Vec<Uuid>, HashMap<Uuid, Status>),
}

impl Consumer {
    fn new(
        db: DatabaseConnection,
        queue: &str,
        settings: Settings,
        (metrics, leased, tracer): (Arc<Metrics>, watch::Sender<bool>, Tracer),
    ) -> Self {
        Self {
            metrics,
            ended: HashMap::new(),
            spans: Spans::new(tracer, &settings.work),
            lease: Lease::new(db.clone(), settings.tenancy, leased),
            db,
            queue: queue.to_owned(),
            settings,
            in_flight: InFlight::default(),
            suspects: Suspects::default(),
            circuit: Circuit::new(),
            jobs: VecDeque::new(),
            large: Large::new(LARGE_BYTES_MAX),
            held: HashMap::new(),
            resting: FuturesUnordered::new(),
            working: FuturesUnordered::new(),
            records: Vec::new(),
            taking: FuturesUnordered::new(),
            recording: FuturesUnordered::new(),
            releasing: FuturesUnordered::new(),
            pauses: None,
            reading_pauses: FuturesUnordered::new(),
            parking: FuturesUnordered::new(),
            noting: FuturesUnordered::new(),
            next_take: Instant::now(),
            next_record: Instant::now(),
            look_at_queue: interval(LOOK_EVERY),
            look_at_pauses: interval(LOOK_AT_PAUSES_EVERY),
        }
    }
}

#[cfg(test)]
mod tests;

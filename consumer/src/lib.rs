//! Processing. Owns what happens between a delivery and its settlement: take its id, do the work,
//! commit the outcome, and only then ack. Knows nothing of who published.
//!
//! ```text
//! deliveries ─▶ receive ─▶ take ─▶ work ─▶ finish ─▶ settle
//!                  │         │                └ to be repeated: ack, and the outbox says when
//!                  │         ├ final, or another's: ack · no such row: dead letter
//!                  │         └ too many consumers died with it: waits for its turn
//!                  └ already in flight: joins the run under way
//! ```
//!
//! A consumer is subscribed only while it can work: it has a lease, its circuit is not open, and not everything is paused.
//! What it cannot work on goes back, to whoever can; what is of a paused source is parked.

mod circuit;
mod consume;
mod error;
#[cfg(test)]
mod fixtures;
mod in_flight;
mod lease;
mod metrics;
mod peers;
mod schedule;
mod settings;
mod spans;
mod suspects;
pub mod work;

use std::sync::Arc;

use queue::Queue;
use sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trace::Tracer;

pub use error::Error;
pub use metrics::{Circuit, Metrics};
pub use schedule::{NoSchedule, Schedule};
pub use settings::{Settings, Tenancy};
pub use work::Work;

/// What a consumer works with.
pub struct Resources {
    /// Its own pool: nobody else's statements may hold up the lease.
    pub db: DatabaseConnection,
    /// Where messages come from.
    pub queue: Queue,
    /// What is counted in, for whoever writes that.
    pub metrics: Arc<Metrics>,
    /// Where it says whether it may work: it has a lease, or needs none.
    pub leased: watch::Sender<bool>,
    /// Where runs and calls are traced.
    pub tracer: Tracer,
}

/// Consumes until `stop`.
///
/// On `stop` it takes nothing more, waits for calls under way, commits and settles what is done, and
/// hands the rest back to the queue; returns when that has happened.
///
/// # Errors
/// It cannot go on, and nothing but an operator will change that.
pub async fn run(
    settings: Settings,
    resources: Resources,
    stop: CancellationToken,
) -> Result<(), Error> {
    let reclaim = peers::reclaim(
        resources.db.clone(),
        settings.tenancy,
        resources.metrics.clone(),
        stop.clone(),
    );
    let consume = consume::run(settings, resources, stop);
    tokio::select! {
        biased;
        consumed = consume => consumed,
        // Only a stop ends it, and then the other one is on its way, too.
        () = async { reclaim.await; std::future::pending::<()>().await } => Ok(()),
    }
}

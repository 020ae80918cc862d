//! Processing. Owns what happens between a delivery and its settlement: take its id, do the work,
//! commit the outcome, and only then ack. Knows nothing of who published.
//!
//! ```text
//! deliveries ─▶ receive ─▶ take ─▶ work ─▶ finish ─▶ settle
//!                  │         │                └ to be repeated: ack, and the outbox says when
//!                  │         ├ final, or another's: ack · no such row: dead letter
//!                  │         └ too many consumers died with it: waits for its turn
//!                  └ already in hand: joins the run in flight
//! ```
//!
//! A consumer is subscribed only while it can work: it has a lease, and its circuit is not open. What it cannot work on
//! goes back, to whoever can.

mod circuit;
mod consume;
mod in_hand;
mod lease;
mod peers;
mod schedule;
mod suspects;
pub mod work;

use std::time::Duration;

use queue::Queue;
use sea_orm::{DatabaseConnection, DbErr};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use schedule::{NoSchedule, Schedule};
pub use work::Work;

/// How a consumer works.
pub struct Settings {
    /// What is done for each transaction.
    pub work: Work,
    /// When it is tried again.
    pub retries: Schedule,
    /// Deliveries that are held at most, all of them at work at once.
    pub prefetch: u32,
    /// Who else may be there.
    pub tenancy: Tenancy,
    /// How long a stop waits for calls to the far side that are under way.
    pub grace: Duration,
}

/// Who else may work on the same transactions.
#[derive(Clone, Copy, Debug)]
pub enum Tenancy {
    /// Nobody: this process has locked the database file.
    Exclusive,
    /// Other consumers: everybody works under a lease.
    Shared {
        /// How long the others leave a consumer's work alone after its last sign of life.
        lease: Duration,
        /// The queue is inside this process, and there may be only one such process.
        embedded: bool,
    },
}

/// Why a consumer cannot go on.
#[derive(Debug, Error)]
pub enum Error {
    /// Two processes with a queue of their own would each publish what the other has.
    #[error(
        "DATABASE_URL: another hookline whose queue is inside the process uses this database; \
         give both the same AMQP_URL or stop one"
    )]
    Taken,
    /// A privilege or a column is missing, say: waiting does not help.
    #[error("DATABASE_URL: the database refuses what a consumer must do: {0}")]
    Database(DbErr),
    /// A defect of ours.
    #[error("the consumer's lease has ended")]
    Stopped,
    /// A defect of ours.
    #[error("the consumer failed: {0}")]
    Failed(tokio::task::JoinError),
}

/// Consumes until `stop`.
///
/// On `stop` it takes nothing more, waits for calls under way, commits and settles what is done, and
/// hands the rest back to the queue; returns when that has happened.
///
/// # Errors
/// It cannot go on, and nothing but an operator will change that.
pub async fn run(
    db: DatabaseConnection,
    queue: &Queue,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), Error> {
    let tenancy = settings.tenancy;
    let reclaim = peers::reclaim(db.clone(), tenancy, stop.clone());
    let consume = consume::run(db, queue, settings, stop);
    tokio::select! {
        biased;
        consumed = consume => consumed,
        // Only a stop ends it, and then the other one is on its way, too.
        () = async { reclaim.await; std::future::pending::<()>().await } => Ok(()),
    }
}

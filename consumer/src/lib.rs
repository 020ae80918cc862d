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

mod breaker;
mod consume;
mod in_hand;
mod lease;
mod schedule;
mod suspects;
pub mod work;

use std::time::Duration;

use queue::{Backoff, Queue};
use sea_orm::{DatabaseConnection, DbErr};
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
    /// Who else is there.
    pub company: Company,
    /// How long a stop waits for calls to the far side that are under way.
    pub grace: Duration,
}

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

/// Consumes until `stop`.
///
/// On `stop` it takes nothing more, waits for calls under way, commits and settles what is done, and
/// hands the rest back to the queue; returns when that has happened.
pub async fn run(
    db: DatabaseConnection,
    queue: &Queue,
    settings: Settings,
    stop: CancellationToken,
) {
    let company = settings.company;
    tokio::join!(
        consume::run(db.clone(), queue, settings, stop.clone()),
        lease::reclaim(db, company, stop),
    );
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

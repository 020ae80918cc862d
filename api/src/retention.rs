//! Deletes what has been kept for long enough: one process of all does, a little at a time.

mod held;
mod round;

use std::time::Duration;

use entity::lifecycle::retention::Limits;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use held::Held;
pub use round::{As, Step, Stopped, round};

/// From one round to the next.
const EVERY: Duration = Duration::from_secs(10 * 60);

/// Makes a round now and every ten minutes, until `stop`.
pub(crate) async fn run(db: DatabaseConnection, limits: Limits, stop: CancellationToken) {
    let holder = Uuid::now_v7();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let duty = match Held::take(&db, holder).await {
            Ok(Some(duty)) => duty,
            Ok(None) => continue,
            Err(error) => {
                failed(&error);
                continue;
            }
        };
        let stop = stop.clone();
        match round(&db, &limits, As::Holder { duty, stop }, tell).await {
            // Somebody else has the duty now, or the process stops: what is left is for the next round.
            Ok(()) | Err(Stopped::Told) => {}
            Err(Stopped::Failed(error)) => failed(&error),
            Err(Stopped::ClocksDiffer { by }) => {
                let by_s = by.whole_seconds();
                tracing::warn!(
                    event = "retention_waits",
                    by_s,
                    "nothing is deleted while the database's clock and this machine's differ so much"
                );
            }
        }
    }
}

fn failed(error: &DbErr) {
    tracing::warn!(event = "retention_failed", %error, "what is old was not deleted; trying again in 10 minutes");
}

fn tell(step: &Step) {
    match step {
        Step::Detached(month) => tracing::info!(
            event = "month_detached",
            month = month.name,
            rows = month.rows,
            bytes = month.bytes,
            "a month is not kept any more"
        ),
        Step::Dropped(name) => {
            tracing::info!(
                event = "month_dropped",
                name,
                "the space of a month is free"
            );
        }
        Step::Unfinished(month) => tracing::info!(
            event = "month_waits",
            month = month.name,
            "a month that is old is kept: work in it is unfinished"
        ),
        Step::Busy(month) => tracing::info!(
            event = "month_waits",
            month = month.name,
            "a month that is old is kept for now: others use its table"
        ),
        Step::Deleted { .. } => {}
        Step::Done { of, rows } => {
            tracing::info!(event = "rows_deleted", of, rows, "old rows are deleted");
        }
    }
}

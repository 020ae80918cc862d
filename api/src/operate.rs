//! What operators have asked for and goes on by itself: bulk retries, portion by portion; and what was parked for a pause that
//! is over is made due. Every API does so: who dies leaves the next portion to the others.

use std::time::Duration;

use entity::lifecycle::operate::{
    bulk::{self, Advanced},
    pause,
};
use queue::Backoff;
use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use crate::relay::Nudge;

/// From one look to the next where there is nothing to do, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Goes on until `stop`. What has become due is told by `nudge`.
pub(crate) async fn run(db: DatabaseConnection, nudge: Nudge, stop: CancellationToken) {
    tokio::join!(
        again_and_again("advance a bulk retry", &stop, || advance(&db, &nudge)),
        again_and_again("un-park what is no longer paused", &stop, || unpark(&db)),
    );
}

/// One portion; returns how long the next one takes to be due.
async fn advance(db: &DatabaseConnection, nudge: &Nudge) -> Result<Duration, DbErr> {
    Ok(match bulk::advance(db).await? {
        Advanced::Portion { bulk, is_last, .. } => {
            nudge.give();
            if is_last {
                tracing::info!(event = "bulk_retry_done", id = %bulk, "a bulk retry has come by everything that matched");
            }
            Duration::ZERO
        }
        Advanced::NotYet { due_in } => due_in.min(LOOK_EVERY),
        Advanced::Nothing => LOOK_EVERY,
    })
}

async fn unpark(db: &DatabaseConnection) -> Result<Duration, DbErr> {
    Ok(match pause::unpark(db).await? {
        0 => LOOK_EVERY,
        _ => Duration::ZERO,
    })
}

/// Does it, and waits as long as it says. An error is told, and then it is tried again.
async fn again_and_again<F>(doing: &str, stop: &CancellationToken, step: impl Fn() -> F)
where
    F: Future<Output = Result<Duration, DbErr>>,
{
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        let wait = match step().await {
            Ok(wait) => {
                backoff.reset();
                wait
            }
            Err(error) => {
                let wait = backoff.next_wait();
                tracing::warn!(event = "operate_failed", %error, ?wait, "could not {doing}; trying again");
                wait
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}

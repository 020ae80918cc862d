//! Next month's place for what comes: made ahead, so that no webhook waits for it. (One that finds none has it made.)

use std::time::Duration;

use entity::lifecycle::partition;
use sea_orm::DatabaseConnection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Looks now and every hour, until `stop`.
pub(crate) async fn run(db: DatabaseConnection, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match partition::make_ahead(&db).await {
            Ok(true) => tracing::info!(
                event = "partitions_made",
                "there is a partition for the next month"
            ),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(event = "partitions_not_made", %error, "there is no partition for the next month yet");
            }
        }
    }
}

//! Notes when each source was last heard of, for whoever must notice that nothing comes. Nobody waits for that.

use std::{sync::Arc, time::Duration};

use entity::{SourceName, lifecycle::heard};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Sources;

/// From one note to the next: silences are minutes and hours.
const EVERY: Duration = Duration::from_secs(5);

/// Notes until `stop`, and then once more.
pub(crate) async fn run(
    db: DatabaseConnection,
    sources: watch::Receiver<Arc<Sources>>,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut noted = Noted::default();
    loop {
        let goes_on = stop.run_until_cancelled(every.tick()).await.is_some();
        let sources = sources.borrow().clone();
        if let Err(error) = noted.step(&db, &sources).await {
            tracing::warn!(event = "heard_not_noted", %error, "could not note which sources were heard of");
        }
        if !goes_on {
            return;
        }
    }
}

/// What the database has been told.
#[derive(Default)]
struct Noted {
    /// For whom it listens.
    listened: Vec<SourceName>,
}

impl Noted {
    async fn step(&mut self, db: &DatabaseConnection, sources: &Sources) -> Result<(), DbErr> {
        let ruled = sources
            .iter()
            .filter(|sender| sender.silent_after.is_some());
        let ruled: Vec<SourceName> = ruled
            .filter_map(|sender| sender.name.parse().ok())
            .collect();
        if ruled != self.listened {
            heard::listen(db, &ruled).await?;
            self.listened = ruled;
        }
        let heard = sources
            .metrics()
            .filter(|(_, metrics)| metrics.take_heard());
        let heard: Vec<_> = heard.collect();
        let rows =
            (heard.iter()).filter_map(|(name, _)| Some((name.parse().ok()?, Duration::ZERO)));
        let rows: Vec<(SourceName, Duration)> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        let noted = heard::note(db, &rows).await;
        if noted.is_err() {
            // The next time, then.
            heard.iter().for_each(|(_, metrics)| metrics.heard());
        }
        noted
    }
}

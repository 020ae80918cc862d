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
        // All of them: one whose requests are refused from the first on is silent without a rule, too.
        let names = sources.iter().filter_map(|sender| sender.name.parse().ok());
        let names: Vec<SourceName> = names.collect();
        if names != self.listened {
            heard::listen(db, &names).await?;
            self.listened = names;
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

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use super::*;
    use crate::scene::{database, execute, service::sender, sources};

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// How long ago each source was heard of, or listened for.
    async fn ago(db: &DatabaseConnection, source: &str) -> Option<(Duration, bool)> {
        let all = heard::all(db).await.unwrap();
        let mut all = all
            .into_iter()
            .filter(|heard| heard.source.as_ref() == source);
        all.next().map(|heard| (heard.ago, heard.never))
    }

    fn metrics<'s>(sources: &'s Sources, source: &str) -> &'s crate::metrics::SourceMetrics {
        let mut metrics = sources.metrics().filter(|(name, _)| *name == source);
        metrics.next().unwrap().1
    }

    #[tokio::test]
    async fn a_source_is_listened_for_with_or_without_a_rule() {
        let db = database().await;
        let sources = sources([sender("stripe", "stripe")]);
        let sources = sources.borrow().clone();
        Noted::default().step(&db, &sources).await.unwrap();
        let (listened, never) = ago(&db, "stripe").await.unwrap();
        assert!(never && listened < HOUR);
        assert_eq!(ago(&db, "transactions").await, None, "it has no secret");
    }

    #[tokio::test]
    async fn what_was_heard_is_noted_once() {
        let db = database().await;
        let sources = sources([sender("stripe", "stripe")]);
        let sources = sources.borrow().clone();
        let mut noted = Noted::default();
        metrics(&sources, "stripe").heard();
        noted.step(&db, &sources).await.unwrap();
        assert!(!ago(&db, "stripe").await.unwrap().1);
        execute(&db, "UPDATE heard SET last_at = last_at - 3600000").await;
        noted.step(&db, &sources).await.unwrap();
        let (heard, _) = ago(&db, "stripe").await.unwrap();
        assert!(heard >= HOUR, "nothing has come since: {heard:?}");
    }

    #[tokio::test]
    async fn what_could_not_be_noted_is_noted_later() {
        let db = database().await;
        let sources = sources([sender("stripe", "stripe")]);
        let sources = sources.borrow().clone();
        let mut noted = Noted::default();
        noted.step(&db, &sources).await.unwrap();
        metrics(&sources, "stripe").heard();
        db.execute_unprepared("ALTER TABLE heard RENAME TO away")
            .await
            .unwrap();
        assert!(noted.step(&db, &sources).await.is_err());
        db.execute_unprepared("ALTER TABLE away RENAME TO heard")
            .await
            .unwrap();
        noted.step(&db, &sources).await.unwrap();
        assert!(!ago(&db, "stripe").await.unwrap().1);
    }

    #[tokio::test]
    async fn what_was_heard_last_is_noted_before_the_end() {
        let db = database().await;
        let sources = sources([sender("stripe", "stripe")]);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(db.clone(), sources.clone(), stop.clone()));
        while ago(&db, "stripe").await.is_none() {
            tokio::task::yield_now().await;
        }
        metrics(&sources.borrow(), "stripe").heard();
        stop.cancel();
        running.await.unwrap();
        assert!(!ago(&db, "stripe").await.unwrap().1);
    }
}

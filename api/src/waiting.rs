//! `?wait=`: whoever looks a transaction up may wait until it is final. However many wait, the database is asked for all of
//! them at once, a few times a second.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use entity::{Status, lifecycle};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    look_up::{Key, in_time},
    problem::FieldError,
};

/// The longest that anybody waits.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);
/// Who wait at once. Whoever comes then is answered with what is there: each has a connection for as long.
const WAITING_MAX: usize = 1_000;
/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Those who wait. Its clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By the ids of the rows that they wait for.
    all: Mutex<HashMap<Uuid, Vec<oneshot::Sender<()>>>>,
    is_over: AtomicBool,
    someone_came: Notify,
}

/// What [`parse`] reads.
pub(crate) const PATTERN: &str = "^[0-9]{1,6}(ms|s)$";

/// Reads how long somebody wants to wait: at most [`WAIT_MAX`], however much they want.
pub(crate) fn parse(text: &str) -> Result<Duration, FieldError> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit).unwrap_or_default();
    let wait = match (number.len(), number.parse(), unit) {
        (1..=6, Ok(number), "s") => Some(Duration::from_secs(number)),
        (1..=6, Ok(number), "ms") => Some(Duration::from_millis(number)),
        _ => None,
    };
    let reason = "must be a whole number of s or ms, such as 30s or 500ms";
    let wait = wait.ok_or_else(|| FieldError::new("wait", reason))?;
    Ok(wait.min(WAIT_MAX))
}

/// Waits as long as somebody wants to, if they do.
pub(crate) async fn wait(
    waiting: &Waiting,
    db: &DatabaseConnection,
    key: &Option<Key>,
    wait: Option<String>,
) -> Result<(), FieldError> {
    let wait = wait.as_deref().map_or(Ok(Duration::ZERO), parse)?;
    if let Some(key) = key
        && !wait.is_zero()
    {
        waiting.until_final(db, key, wait).await;
    }
    Ok(())
}

pub(crate) fn example_wait() -> Option<String> {
    Some("30s".into())
}

impl Waiting {
    /// Returns when the transaction is final, when `wait` is over, or at once if it cannot be waited for: there is none, the
    /// database does not answer, too many wait already, or the process stops.
    pub(crate) async fn until_final(&self, db: &DatabaseConnection, key: &Key, wait: Duration) {
        let found = in_time(lifecycle::find(db, &key.source, &key.transaction_id)).await;
        if let Ok(Some(row)) = found
            && row.status == Status::Processing
            && let Some(finished) = self.register(row.id)
        {
            let _ = tokio::time::timeout(wait, finished).await;
        }
    }

    fn register(&self, id: Uuid) -> Option<oneshot::Receiver<()>> {
        let mut all = self.all();
        // Asked under the lock, under which the last look empties it.
        if self.0.is_over.load(Ordering::Relaxed) {
            return None;
        }
        if all.values().map(Vec::len).sum::<usize>() >= WAITING_MAX {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        all.entry(id).or_default().push(sender);
        drop(all);
        self.0.someone_came.notify_one();
        Some(receiver)
    }

    /// The ids that somebody waits for still.
    fn wanted(&self) -> Vec<Uuid> {
        let mut all = self.all();
        all.retain(|_, waiting| {
            waiting.retain(|sender| !sender.is_closed());
            !waiting.is_empty()
        });
        all.keys().copied().collect()
    }

    async fn look(&self, db: &DatabaseConnection, ids: &[Uuid]) -> Result<(), DbErr> {
        let statuses = in_time(lifecycle::statuses(db, ids)).await?;
        let mut all = self.all();
        for id in ids {
            if statuses.get(id) != Some(&Status::Processing) {
                // Whoever waits hears that its sender is gone.
                all.remove(id);
            }
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<oneshot::Sender<()>>>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for those who wait, until `stop`; then nobody waits any longer.
pub(crate) async fn run(db: DatabaseConnection, waiting: Waiting, stop: CancellationToken) {
    let looks = async {
        loop {
            let ids = waiting.wanted();
            if ids.is_empty() {
                waiting.0.someone_came.notified().await;
                continue;
            }
            if let Err(error) = waiting.look(&db, &ids).await {
                tracing::debug!(event = "wait_look_failed", %error, "nobody who waits has been told anything");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(looks).await;
    let mut all = waiting.all();
    waiting.0.is_over.store(true, Ordering::Relaxed);
    all.clear();
}

#[cfg(test)]
mod tests {
    use entity::lifecycle::{Holder, Record};
    use tokio::time::Instant;

    use super::*;
    use crate::scene::{database, entry};

    const LONG: Duration = Duration::from_secs(60);

    async fn key(db: &DatabaseConnection) -> (Uuid, Key) {
        let id = entry(db, Duration::ZERO, Duration::ZERO).await;
        (id, Key::built_in(id.to_string()).unwrap())
    }

    #[tokio::test]
    async fn who_waits_hears_when_it_is_final() {
        let (db, waiting, stop) = (
            database().await,
            Waiting::default(),
            CancellationToken::new(),
        );
        let task = tokio::spawn(run(db.clone(), waiting.clone(), stop.clone()));
        let ((id, key), (other, _)) = (key(&db).await, key(&db).await);
        let waits = waiting.until_final(&db, &key, LONG);
        let mut waits = std::pin::pin!(waits);
        let is_early = tokio::time::timeout(2 * LOOK_EVERY, &mut waits).await;
        assert!(is_early.is_err());
        for id in [other, id] {
            let record = [Record::processed(id)];
            lifecycle::record(&db, Holder::Sole, &record).await.unwrap();
        }
        tokio::time::timeout(LONG / 2, waits).await.unwrap();
        // What is final is not waited for.
        let began = Instant::now();
        waiting.until_final(&db, &key, LONG).await;
        assert!(began.elapsed() < LONG / 2);
        assert!(waiting.all().is_empty());
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_they_wanted_nor_past_a_stop() {
        let (db, waiting, stop) = (
            database().await,
            Waiting::default(),
            CancellationToken::new(),
        );
        let (_, key) = key(&db).await;
        waiting
            .until_final(&db, &key, Duration::from_millis(20))
            .await;
        assert!(waiting.wanted().is_empty());
        let task = tokio::spawn(run(db.clone(), waiting.clone(), stop.clone()));
        let waits = waiting.until_final(&db, &key, LONG);
        let mut waits = std::pin::pin!(waits);
        let _ = tokio::time::timeout(LOOK_EVERY, &mut waits).await;
        stop.cancel();
        tokio::time::timeout(LONG / 2, waits).await.unwrap();
        task.await.unwrap();
        tokio::time::timeout(LONG / 2, waiting.until_final(&db, &key, LONG))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_waited_for_and_neither_are_too_many() {
        let (db, waiting) = (database().await, Waiting::default());
        let unknown = Key::built_in("unknown".into()).unwrap();
        waiting.until_final(&db, &unknown, LONG).await;
        let (id, key) = key(&db).await;
        let registered = (0..WAITING_MAX).map(|_| waiting.register(id).unwrap());
        let registered: Vec<_> = registered.collect();
        waiting.until_final(&db, &key, LONG).await;
        drop(registered);
        assert!(waiting.wanted().is_empty());
    }

    #[test]
    fn a_wait_has_a_unit_and_an_end() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("0ms"), Ok(Duration::ZERO));
        assert_eq!(parse("999999s"), Ok(WAIT_MAX));
        for wrong in [
            "",
            "30",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1h",
            "1000000ms",
            "soon",
        ] {
            assert_eq!(parse(wrong).unwrap_err().field, "wait", "{wrong}");
        }
    }
}

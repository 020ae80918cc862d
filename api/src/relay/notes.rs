//! What the broker has confirmed is noted in the outbox, so that no sweep publishes it again. Not at
//! once: most ids are in a consumer's hands or finished a moment later, and need no note.

use std::{collections::VecDeque, time::Duration};

use entity::lifecycle::{
    LOOK_AGAIN_IN,
    due::{self, Claimed},
};
use failpoint::Point;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::hints::DUE_IN;

/// From a confirm to its note. What is not noted when it falls due is published again.
const NOTE_IN: Duration = Duration::from_secs(DUE_IN.as_secs() / 2);
/// Ids that are noted together, at most.
const NOTE_MAX: usize = 4096;
/// Ids that may wait for their note (16 MB of them). Beyond, the oldest are published again some day.
const WAITING_MAX: usize = 1_000_000;

pub(super) struct Notes {
    db: DatabaseConnection,
    /// Confirmed ids, each batch with the time for its note.
    waiting: VecDeque<(Instant, Vec<Uuid>)>,
    count: usize,
    /// Confirmed retries: whether a consumer will take them soon nobody knows, and they are few, so they are noted at once.
    retries: Vec<Claimed>,
    /// The note under way: at most one. A task, because a statement must not be dropped half-way.
    writing: Option<JoinHandle<()>>,
    hurry: bool,
}

impl Notes {
    pub(super) fn new(db: &DatabaseConnection) -> Self {
        Self {
            db: db.clone(),
            waiting: VecDeque::new(),
            count: 0,
            retries: Vec::new(),
            writing: None,
            hurry: false,
        }
    }

    /// Ids that the broker has confirmed just now.
    pub(super) fn add(&mut self, ids: Vec<Uuid>) {
        self.count += ids.len();
        self.waiting.push_back((Instant::now() + NOTE_IN, ids));
        while self.count > WAITING_MAX
            && let Some((_, ids)) = self.waiting.pop_front()
        {
            self.count -= ids.len();
        }
    }

    /// Retries that the broker has confirmed just now.
    pub(super) fn add_retries(&mut self, claimed: Vec<Claimed>) {
        self.retries.extend(claimed);
    }

    /// The queue has lost what was confirmed: none of it is noted as published. Returns what waited for that.
    pub(super) fn forget(&mut self) -> Vec<Uuid> {
        self.count = 0;
        self.retries.clear();
        self.waiting.drain(..).flat_map(|(_, ids)| ids).collect()
    }

    /// From now on everything is noted at once.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.retries.is_empty() && self.writing.is_none()
    }

    /// Whether what should have been noted by now is noted, and no note is under way.
    pub(super) fn are_settled(&self) -> bool {
        let first = self.waiting.front();
        self.writing.is_none() && first.is_none_or(|(at, _)| *at > Instant::now())
    }

    /// Writes the next note when its time has come; returns when it is written. May be dropped and
    /// called again.
    pub(super) async fn write(&mut self) {
        if self.writing.is_none() {
            match self.waiting.front() {
                _ if !self.retries.is_empty() => {}
                None => return std::future::pending().await,
                Some((at, _)) if !self.hurry => sleep_until(*at).await,
                Some(_) => {}
            }
            self.writing = Some(self.start());
        }
        if let Some(writing) = &mut self.writing {
            let ended = writing.await;
            self.writing = None;
            if let Err(error) = ended {
                tracing::error!(event = "note_failed", %error, "a note failed");
            }
        }
    }

    fn start(&mut self) -> JoinHandle<()> {
        let db = self.db.clone();
        if !self.retries.is_empty() {
            let claimed = std::mem::take(&mut self.retries);
            return tokio::spawn(async move {
                let noted = due::published_retries(&db, &claimed, LOOK_AGAIN_IN).await;
                written(noted);
            });
        }
        let now = Instant::now();
        let mut ids = Vec::new();
        while let Some((at, batch)) = self.waiting.front()
            && (self.hurry || *at <= now)
            && (ids.is_empty() || ids.len() + batch.len() <= NOTE_MAX)
        {
            self.count -= batch.len();
            ids.extend_from_slice(batch);
            self.waiting.pop_front();
        }
        tokio::spawn(async move {
            written(due::published(&db, &ids, LOOK_AGAIN_IN).await);
            failpoint::here(Point::RelayAfterNote);
        })
    }
}

fn written(note: Result<(), DbErr>) {
    if let Err(error) = note {
        tracing::warn!(event = "note_failed", %error, "relay could not note what is published; it may publish it again");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use migration::{Migrator, MigratorTrait as _};
    use sea_orm::{ConnectOptions, Database, TransactionTrait as _};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_note_is_settled_when_it_is_written_and_not_when_it_has_begun() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        let mut notes = Notes::new(&db);
        notes.add(vec![Uuid::now_v7()]);
        assert!(notes.are_settled(), "its time has not come");
        notes.hurry();
        // Whoever holds the only connection makes the database as slow as can be.
        let held = db.begin().await.unwrap();
        let begun = timeout(Duration::from_millis(50), notes.write()).await;
        assert!(begun.is_err() && notes.waiting.is_empty());
        assert!(!notes.are_settled());
        held.rollback().await.unwrap();
        notes.write().await;
        assert!(notes.are_settled());
    }
}

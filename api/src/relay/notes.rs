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

/// Ids that are noted together, at most.
const NOTE_MAX: usize = 4096;
/// Ids that may wait for their note (16 MB of them). Beyond, the oldest are published again some day.
const WAITING_MAX: usize = 1_000_000;

pub(super) struct Notes {
    db: DatabaseConnection,
    /// From a confirm to its note.
    after: Duration,
    /// Confirmed ids, each batch with the time for its note.
    waiting: VecDeque<(Instant, Vec<Uuid>)>,
    count: usize,
    /// Confirmed retries: whether a consumer will take them soon nobody knows, and they are few, so they are noted at once.
    retries: Vec<Claimed>,
    /// The note under way: at most one. A task, because a statement must not be dropped half-way.
    writing: Option<JoinHandle<()>>,
    /// Everything is noted at once.
    flushes: bool,
}

impl Notes {
    pub(super) fn new(db: &DatabaseConnection, after: Duration) -> Self {
        Self {
            db: db.clone(),
            after,
            waiting: VecDeque::new(),
            count: 0,
            retries: Vec::new(),
            writing: None,
            flushes: false,
        }
    }

    /// Ids that the broker has confirmed just now.
    pub(super) fn add(&mut self, ids: Vec<Uuid>) {
        self.count += ids.len();
        self.waiting.push_back((Instant::now() + self.after, ids));
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
    pub(super) fn flush(&mut self) {
        self.flushes = true;
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
                Some((at, _)) if !self.flushes => sleep_until(*at).await,
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
                let noted = due::defer_published_retries(&db, &claimed, LOOK_AGAIN_IN).await;
                written(noted);
            });
        }
        let now = Instant::now();
        let mut ids = Vec::new();
        while let Some((at, batch)) = self.waiting.front()
            && (self.flushes || *at <= now)
            && (ids.is_empty() || ids.len() + batch.len() <= NOTE_MAX)
        {
            self.count -= batch.len();
            ids.extend_from_slice(batch);
            self.waiting.pop_front();
        }
        tokio::spawn(async move {
            written(due::defer_published(&db, &ids, LOOK_AGAIN_IN).await);
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
    use sea_orm::TransactionTrait as _;
    use tokio::time::timeout;

    use super::*;
    use crate::{
        relay::DUE_IN,
        scene::{database, due_in, entry, execute, retry},
    };

    /// What is noted is not due for nearly as long as this.
    const NOTED_MS: i64 = LOOK_AGAIN_IN.as_millis() as i64 - 60_000;

    async fn write(notes: &mut Notes) {
        let written = timeout(Duration::from_secs(10), notes.write()).await;
        written.expect("there is nothing to note");
    }

    #[tokio::test]
    async fn a_note_is_settled_when_it_is_written_and_not_when_it_has_begun() {
        let db = database().await;
        let mut notes = Notes::new(&db, LOOK_AGAIN_IN);
        notes.add(vec![Uuid::now_v7()]);
        assert!(notes.are_settled(), "its time has not come");
        notes.flush();
        // Whoever holds the only connection makes the database as slow as can be.
        let held = db.begin().await.unwrap();
        let begun = timeout(Duration::from_millis(50), notes.write()).await;
        assert!(begun.is_err() && notes.waiting.is_empty());
        assert!(!notes.are_settled());
        held.rollback().await.unwrap();
        notes.write().await;
        assert!(notes.are_settled());
    }

    #[tokio::test]
    async fn what_has_been_published_is_put_off_by_one_note() {
        let db = database().await;
        let mut notes = Notes::new(&db, Duration::ZERO);
        let mut ids = Vec::new();
        for _ in 0..3 {
            let id = entry(&db, Duration::ZERO, DUE_IN).await;
            notes.add(vec![id]);
            ids.push(id);
        }
        write(&mut notes).await;
        assert!(notes.is_empty());
        for id in ids {
            assert!(due_in(&db, id).await > NOTED_MS);
        }
    }

    #[tokio::test]
    async fn a_retry_is_put_off_for_its_own_claim_only() {
        let db = database().await;
        let (ours, others) = (retry(&db, 0).await, retry(&db, 0).await);
        let claimed = due::claim_retries(&db, 2, DUE_IN, due::FellDue::EVER).await;
        let claimed = claimed.unwrap();
        assert_eq!(claimed.len(), 2);
        let since = format!(
            "UPDATE retries SET set_at = set_at + 1 WHERE id = unhex('{}')",
            others.simple()
        );
        execute(&db, &since).await;
        let mut notes = Notes::new(&db, LOOK_AGAIN_IN);
        notes.add_retries(claimed);
        write(&mut notes).await;
        assert!(due_in(&db, ours).await > NOTED_MS);
        assert!(due_in(&db, others).await <= DUE_IN.as_millis() as i64);
    }
}

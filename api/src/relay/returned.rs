//! Messages that have left the queue without a consumer: they expired, were dropped, or came back too often. The row is
//! the truth, so what of them is unfinished is published again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use entity::lifecycle::due;
use queue::{Backoff, Reason, Returned};
use sea_orm::DatabaseConnection;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// What has expired may go back at once. What found no room, or came back from its consumers too often, would be dropped
/// again at once; it goes back after this.
const COMES_BACK_IN: Duration = Duration::from_secs(10);
/// Between two log lines about it.
const LOG_EVERY: Duration = Duration::from_secs(60);

pub(super) struct ReturnedMessages {
    db: DatabaseConnection,
    waiting: Vec<Returned>,
    /// The note under way: at most one. A task, because a statement must not be dropped half-way.
    noting: Option<JoinHandle<Vec<Returned>>>,
    /// How many there were since they were last logged, by reason.
    counts: HashMap<Reason, u64>,
    logged: Option<Instant>,
}

impl ReturnedMessages {
    pub(super) fn new(db: &DatabaseConnection) -> Self {
        Self {
            db: db.clone(),
            waiting: Vec::new(),
            noting: None,
            counts: HashMap::new(),
            logged: None,
        }
    }

    /// Takes in messages that have come.
    pub(super) fn note(&mut self, returned: Vec<Returned>) {
        for message in &returned {
            *self.counts.entry(message.reason).or_default() += 1;
        }
        self.waiting.extend(returned);
        if self.logged.is_none_or(|at| at.elapsed() > LOG_EVERY) && !self.counts.is_empty() {
            self.logged = Some(Instant::now());
            let counts = std::mem::take(&mut self.counts);
            tracing::warn!(
                event = "messages_returned",
                ?counts,
                "messages have left the queue without a consumer and are published again; does a policy \
                 (message-ttl, max-length) catch our queue?"
            );
        }
    }

    /// Waits until the database knows of some, and returns these; for ever if there are none. May be dropped and called
    /// again.
    pub(super) async fn noted(&mut self) -> Vec<Returned> {
        if self.noting.is_none() {
            if self.waiting.is_empty() {
                return std::future::pending().await;
            }
            let messages = std::mem::take(&mut self.waiting);
            self.noting = Some(tokio::spawn(come_back(self.db.clone(), messages)));
        }
        let Some(noting) = &mut self.noting else {
            return std::future::pending().await;
        };
        let ended = noting.await;
        self.noting = None;
        ended.unwrap_or_else(|error| {
            tracing::error!(event = "note_failed", %error, "a note failed");
            Vec::new()
        })
    }
}

async fn come_back(db: DatabaseConnection, messages: Vec<Returned>) -> Vec<Returned> {
    let (expired, others): (Vec<_>, Vec<_>) = messages
        .iter()
        .partition(|message| message.reason == Reason::Expired);
    for (some, after) in [(expired, Duration::ZERO), (others, COMES_BACK_IN)] {
        let ids: Vec<Uuid> = some.iter().map(|message| message.id).collect();
        let mut backoff = Backoff::new();
        while !ids.is_empty()
            && let Err(error) = due::come_back(&db, &ids, after).await
        {
            let wait = backoff.next_wait();
            tracing::warn!(event = "note_failed", %error, ?wait, "relay could not note what has left the queue; trying again");
            tokio::time::sleep(wait).await;
        }
    }
    messages
}

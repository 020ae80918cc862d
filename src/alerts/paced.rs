//! One kind of event, told at most once a minute by all processes together.

use std::time::{Duration, Instant};

use entity::lifecycle::alert::{self, Turn};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::Value;
use uuid::Uuid;

use super::Post;

/// From one event of a kind to the next.
const EVERY: Duration = Duration::from_secs(60);
/// After the receiver has not taken one.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

pub struct Paced {
    kind: &'static str,
    post: Post,
    /// What is to be told and was not taken yet: it stays what it is, for the receiver may have taken it all the same.
    pending: Option<Pending>,
    not_before: Option<Instant>,
}

struct Pending {
    turn: Turn,
    /// Until when what happened is in it.
    to: i64,
    id: Uuid,
    body: Vec<u8>,
}

impl Paced {
    pub fn new(kind: &'static str, post: Post) -> Self {
        Self {
            kind,
            post,
            pending: None,
            not_before: None,
        }
    }

    /// What was to be told and was not taken is over.
    pub fn forget(&mut self) {
        self.pending = None;
    }

    /// Tells what has happened, if it is time. `gather` is asked for it: what has happened since the first time and until
    /// the second, in milliseconds since 1970 by the database's clock; it says until when it has looked. Returns whether
    /// something was told.
    pub async fn step(
        &mut self,
        db: &DatabaseConnection,
        gather: impl AsyncFnOnce(i64, i64) -> Result<Option<(i64, Value)>, DbErr>,
    ) -> Result<bool, DbErr> {
        if self.not_before.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        let turn = alert::turn(db, self.kind).await?;
        if !turn.is_free {
            return Ok(false);
        }
        // Another process has told it meanwhile.
        self.pending
            .take_if(|pending| pending.turn.told_to != turn.told_to);
        if self.pending.is_none() {
            let Some((to, data)) = gather(turn.told_to, turn.now).await? else {
                return Ok(false);
            };
            let name = format!("{} {} {to}", self.kind, turn.told_to);
            self.pending = Some(Pending {
                turn,
                to,
                id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
                body: Post::body(self.kind, &data),
            });
        }
        let Some(pending) = &self.pending else {
            return Ok(false);
        };
        let kind = self.kind;
        if let Err(error) = self.post.post(pending.id, pending.body.clone()).await {
            tracing::warn!(
                event = "alert_not_sent",
                kind,
                error,
                "ALERT_URL did not take an operator event; trying again"
            );
            self.not_before = Some(Instant::now() + AGAIN_AFTER);
            return Ok(false);
        }
        tracing::info!(event = "alert_sent", kind, id = %pending.id, "an operator event was sent");
        let (turn, to) = (pending.turn, pending.to);
        // If this fails it is told again, under the same id.
        alert::told(db, kind, turn, to, EVERY).await?;
        self.pending = None;
        Ok(true)
    }
}

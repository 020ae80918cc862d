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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alerts::scene::{Receiver, database, execute};

    const KIND: &str = "hookline.test";

    /// Tells what is so `now`.
    async fn step(paced: &mut Paced, db: &DatabaseConnection, what: &str) -> bool {
        let gather = async |_, now| Ok(Some((now, json!(what))));
        paced.step(db, gather).await.unwrap()
    }

    async fn nothing(paced: &mut Paced, db: &DatabaseConnection) -> bool {
        paced.step(db, async |_, _| Ok(None)).await.unwrap()
    }

    /// A minute goes by.
    async fn pass(db: &DatabaseConnection) {
        execute(db, "UPDATE alerts SET next_at = next_at - 59000").await;
        assert!(
            !alert::turn(db, KIND).await.unwrap().is_free,
            "it is not over"
        );
        execute(db, "UPDATE alerts SET next_at = next_at - 1000").await;
    }

    #[tokio::test]
    async fn each_kind_is_told_once_a_minute_by_all_together() {
        let (db, receiver) = (database().await, Receiver::start(&[]).await);
        let mut one = Paced::new(KIND, receiver.post.clone());
        let mut other = Paced::new(KIND, receiver.post.clone());
        let mut of_another_kind = Paced::new("hookline.other", receiver.post.clone());
        assert!(!nothing(&mut one, &db).await);
        assert!(step(&mut one, &db, "first").await);
        assert!(!step(&mut one, &db, "second").await);
        assert!(!step(&mut other, &db, "second").await);
        assert!(step(&mut of_another_kind, &db, "third").await);
        assert_eq!(receiver.told().len(), 2);
        pass(&db).await;
        assert!(step(&mut other, &db, "fourth").await);
        let told = receiver.told();
        assert_ne!(told[0].0, told[2].0);
        assert!(told[2].1.windows(8).any(|bytes| bytes == b"\"fourth\""));
    }

    #[tokio::test]
    async fn what_was_not_taken_is_told_again_as_it_was_and_not_at_once() {
        let (db, receiver) = (database().await, Receiver::start(&[500]).await);
        let mut paced = Paced::new(KIND, receiver.post.clone());
        assert!(!step(&mut paced, &db, "first").await);
        assert!(!step(&mut paced, &db, "later").await);
        assert_eq!(receiver.told().len(), 1, "it is too soon");
        let wait = paced.not_before.unwrap() - Instant::now();
        assert!(wait > AGAIN_AFTER / 2, "{wait:?}");
        paced.not_before = None;
        assert!(step(&mut paced, &db, "later").await);
        let [first, second] = receiver.told().try_into().unwrap();
        assert_eq!(first, second);
    }

    #[tokio::test]
    async fn what_another_has_told_meanwhile_is_not_told_again() {
        let (db, receiver) = (database().await, Receiver::start(&[500]).await);
        let mut one = Paced::new(KIND, receiver.post.clone());
        let mut other = Paced::new(KIND, receiver.post.clone());
        assert!(!step(&mut one, &db, "first").await);
        assert!(step(&mut other, &db, "first").await);
        pass(&db).await;
        one.not_before = None;
        assert!(!nothing(&mut one, &db).await);
        assert_eq!(receiver.told().len(), 2);
        // What is over is not told, either.
        let receiver = Receiver::start(&[500]).await;
        let mut paced = Paced::new("hookline.other", receiver.post.clone());
        assert!(!step(&mut paced, &db, "first").await);
        paced.forget();
        paced.not_before = None;
        assert!(!nothing(&mut paced, &db).await);
        assert_eq!(receiver.told().len(), 1);
    }
}

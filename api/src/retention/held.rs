//! The duty, held during a round.

use std::time::{Duration, Instant};

use entity::lifecycle::duty;
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

const DUTY: &str = "retention";
/// How long another process waits for one that has it and says nothing, and how often that one says something.
const HELD_FOR: Duration = Duration::from_secs(60);
const HOLD_EVERY: Duration = Duration::from_secs(20);

/// A duty that this process has.
pub struct Held {
    holder: Uuid,
    since: Instant,
}

impl Held {
    /// `None` if another process has it.
    pub(super) async fn take(db: &DatabaseConnection, holder: Uuid) -> Result<Option<Self>, DbErr> {
        let since = Instant::now();
        let is_held = duty::hold(db, DUTY, holder, HELD_FOR).await?;
        Ok(is_held.then_some(Self { holder, since }))
    }

    /// Says so again, when it is time. Returns whether this process still has it.
    pub(super) async fn keep(&mut self, db: &DatabaseConnection) -> Result<bool, DbErr> {
        if self.since.elapsed() < HOLD_EVERY {
            return Ok(true);
        }
        self.since = Instant::now();
        duty::hold(db, DUTY, self.holder, HELD_FOR).await
    }
}

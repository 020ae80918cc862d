//! What fell due: after a crash, an outage, a lost hint, a failed attempt, a death. A look costs what is due, not what
//! there is, and so it can be made every second:
//!
//! - **retries** have an index on their time. They certainly are not in the queue, and no backlog holds them back.
//! - **the frontier** passes every entry of the outbox once, when it is old enough to have been published and noted.
//! - **the walk** goes through the whole outbox again and again, slowly: what it finds had been published, and the broker
//!   has lost it. While much waits in the queue it claims nothing, for that may be among it.
//! - **a recovery** goes through the whole outbox at once, when the queue is known to have lost what it had.

mod found;
mod overdue;
mod recovery;
mod round;

use std::time::{Duration, Instant};

use entity::lifecycle::{
    Pass,
    due::{self, FellDue, Limits, State, Wanted},
};
use queue::Queue;
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

pub(super) use self::found::Found;
use self::{
    found::CLAIM_MAX,
    overdue::Overdue,
    recovery::Recovery,
    round::{Round, claimed},
};
use super::hints::DUE_IN;

/// What a look of the walk, and of the frontier, may read and claim.
const LIMITS: Limits = Limits {
    read: 4096,
    claim: CLAIM_MAX,
};
/// Statements of a recovery, each look, while it finds nothing.
const RECOVERY_STATEMENTS: usize = 10;
/// Retries that one statement reads to shorten their waits.
const READ_MAX: u64 = 4096;
/// Statements in which the frontier may catch up, each look.
const FRONTIER_STATEMENTS: usize = 16;
/// Statements in which waits are shortened, each look, after the database's clock was set back.
const SHORTEN_STATEMENTS: usize = 10;
/// Messages that wait in the queue beyond which the walk claims nothing.
const BACKLOG_MAX: usize = 10_000;
/// The same for a recovery of the queue inside the process, which has room for a million.
const RECOVERY_BACKLOG_MAX: usize = 500_000;
/// How old an entry is when the frontier passes it: its time has come by then, however long its commit took.
const FRONTIER_AGE_MS: u64 = DUE_IN.as_millis() as u64 + 5000;
/// How far back the frontier begins: longer than a restart takes. What is older the walk finds.
const FRONTIER_BACK_MS: u64 = 15 * 60 * 1000;
/// Every look is for the retries that fell due within this time; what was due before is [`Overdue`].
const FELL_DUE_WITHIN: Duration = Duration::from_secs(60);
/// What another process has noted so short a time before our first look concerns us, too.
const CREATED_JUST_NOW_MS: i64 = 60_000;
/// A database's clock that is behind by more than this has been set back.
const SET_BACK_MIN_MS: i64 = 2000;

/// How far the looks have come.
pub(super) struct Sweep {
    db: DatabaseConnection,
    queue: String,
    /// Whether the queue is inside this process.
    embedded: bool,
    frontier: Pass,
    /// When and where the frontier began, until it has passed twice.
    again: Option<(Instant, u64)>,
    walk: Round,
    recovery: Option<Recovery>,
    /// Whether other relays have yet to be told that the queue is new.
    to_note: bool,
    /// Retries whose waits may have become too long.
    shortening: Option<Round>,
    overdue: Overdue,
    /// What the database last said of when the queue was created.
    created_at: Option<i64>,
    /// What its clock said, and when.
    clock: Option<(i64, Instant)>,
}

impl Sweep {
    pub(super) fn new(db: &DatabaseConnection, queue: &Queue) -> Self {
        let from = Pass::now().saturating_sub(FRONTIER_BACK_MS);
        Self {
            db: db.clone(),
            queue: queue.name().to_owned(),
            embedded: queue.is_inside_the_process(),
            frontier: Pass::since(from),
            again: Some((Instant::now(), from)),
            walk: Round::new(),
            recovery: None,
            to_note: false,
            // The clock may have been set back while nobody looked.
            shortening: Some(Round::new()),
            overdue: Overdue::new(FELL_DUE_WITHIN),
            created_at: None,
            clock: None,
        }
    }

    /// The queue was not there, so whatever had been published is gone. Other relays are told.
    pub(super) fn queue_is_new(&mut self) {
        self.recovery = Some(Recovery::begin(self.embedded));
        self.to_note = true;
    }

    /// These have not been published after all.
    pub(super) fn missed(&mut self, ids: &[Uuid]) {
        if let Some(first) = ids.iter().min() {
            self.frontier.go_back_to(*first);
        }
    }

    /// One look, while so many messages wait in the queue.
    pub(super) async fn look(&mut self, ready: usize) -> Result<Found, DbErr> {
        let mut found = Found {
            queue_is_new: self.ask().await?,
            ..Found::default()
        };
        self.pass_again();
        self.look_at_retries(&mut found).await?;
        if let Err(error) = self.look_through(ready, &mut found).await {
            // What has been found must not wait for it, nor what falls due meanwhile.
            tracing::warn!(
                event = "look_failed",
                %error,
                "relay could not look through what is unfinished; it looks at less of it at a time"
            );
        }
        Ok(found)
    }

    /// Only for the retries that have fallen due.
    pub(super) async fn look_for_retries(&mut self) -> Result<Found, DbErr> {
        let mut found = Found::default();
        self.look_at_retries(&mut found).await?;
        Ok(found)
    }

    /// The looks that go through tables: these may find more dead entries on their way than there is time for.
    async fn look_through(&mut self, ready: usize, found: &mut Found) -> Result<(), DbErr> {
        let no_room = self.embedded && ready > RECOVERY_BACKLOG_MAX;
        if !no_room {
            self.look_at_frontier(found).await?;
        }
        self.shorten_waits().await?;
        if found.queue_is_new {
            // First what was confirmed before is no longer noted: a note that is just being written would hide its ids.
            found.more = true;
        } else if self.recovery.is_some() {
            if !no_room {
                self.look_for_lost(found).await?;
            }
        } else if ready <= BACKLOG_MAX {
            self.walk(found).await?;
        }
        Ok(())
    }

    /// Once: what a relay that has died since had claimed was not due when the frontier passed it first.
    fn pass_again(&mut self) {
        if let Some((since, from)) = self.again
            && since.elapsed() > DUE_IN * 2
        {
            self.again = None;
            self.frontier = Pass::since(from);
        }
    }

    /// Asks the database whether the clock was set back and somebody had to create the queue. Returns the latter.
    async fn ask(&mut self) -> Result<bool, DbErr> {
        if self.to_note {
            self.created_at = Some(due::queue_created(&self.db, &self.queue).await?);
            self.to_note = false;
        }
        let State {
            now,
            created_at,
            other_created_at,
        } = due::state(&self.db, &self.queue).await?;
        let is_news = match self.clock {
            Some(_) => self.created_at != created_at,
            // The first answer is where we begin, but a consumer may have been quicker than us, and what processes with
            // another queue have published, or had inside them, is not in ours.
            None => {
                let just_now = self.created_at.max(Some(now - CREATED_JUST_NOW_MS));
                self.to_note |= other_created_at > created_at;
                self.to_note || created_at > just_now
            }
        };
        self.created_at = created_at;
        if is_news {
            tracing::warn!(
                event = "queue_is_new",
                "the queue is new to this database: everything unfinished is published again"
            );
            self.recovery = Some(Recovery::begin(self.embedded));
        }
        if let Some((before, at)) = self.clock.replace((now, Instant::now())) {
            let expected = before.saturating_add(at.elapsed().as_millis() as i64);
            if now < expected - SET_BACK_MIN_MS {
                tracing::warn!(
                    event = "clock_set_back",
                    by_ms = expected - now,
                    "the database's clock was set back: waits begin anew"
                );
                self.shortening = Some(Round::new());
            }
        }
        Ok(is_news)
    }

    async fn shorten_waits(&mut self) -> Result<(), DbErr> {
        let Some(mut round) = self.shortening.take() else {
            return Ok(());
        };
        for _ in 0..SHORTEN_STATEMENTS {
            let Some(range) = round.range() else {
                return Ok(());
            };
            let began = Instant::now();
            match due::shorten_waits(&self.db, range, READ_MAX).await {
                Ok(look) => (round.pass).looked(range, &look, READ_MAX, began.elapsed()),
                Err(error) => {
                    round.pass.failed();
                    self.shortening = Some(round);
                    return Err(error);
                }
            }
        }
        self.shortening = Some(round);
        Ok(())
    }

    async fn look_at_retries(&mut self, found: &mut Found) -> Result<(), DbErr> {
        let lately = FellDue {
            at_least: Duration::ZERO,
            at_most: Some(FELL_DUE_WITHIN),
        };
        let limit = CLAIM_MAX as u32;
        found.retries = due::claim_retries(&self.db, limit, DUE_IN, lately).await?;
        found.more |= found.retries.len() as u64 == CLAIM_MAX;
        let Some(overdue) = self.overdue.next(Instant::now()) else {
            return Ok(());
        };
        let began = Instant::now();
        match due::claim_retries(&self.db, limit, DUE_IN, overdue).await {
            Ok(claimed) => {
                let is_full = claimed.len() as u64 == CLAIM_MAX;
                found.more |= self.overdue.looked(is_full, began, Instant::now());
                found.retries.extend(claimed);
            }
            // What falls due now must not wait for it.
            Err(error) => {
                tracing::warn!(
                    event = "overdue_look_failed",
                    %error,
                    "relay could not look for retries that were due long ago; it looks at fewer of them at a time"
                );
                self.overdue.failed(Instant::now());
            }
        }
        Ok(())
    }

    async fn look_at_frontier(&mut self, found: &mut Found) -> Result<(), DbErr> {
        let old_enough = Pass::now().saturating_sub(FRONTIER_AGE_MS);
        for _ in 0..FRONTIER_STATEMENTS {
            let Some(range) = self.frontier.range(old_enough) else {
                return Ok(());
            };
            let began = Instant::now();
            let claim = due::claim(&self.db, range, Wanted::Due, LIMITS, DUE_IN);
            let look = claimed(&mut self.frontier, claim.await)?;
            self.frontier
                .looked(range, &look, LIMITS.read, began.elapsed());
            found.entries.extend(look.ids);
            if found.entries.len() as u64 >= CLAIM_MAX {
                break;
            }
        }
        found.more = true;
        Ok(())
    }

    async fn walk(&mut self, found: &mut Found) -> Result<(), DbErr> {
        if self.walk.range().is_none() {
            self.walk.restart();
        }
        let Some(range) = self.walk.range() else {
            return Ok(());
        };
        let began = Instant::now();
        let claim = due::claim(&self.db, range, Wanted::Due, LIMITS, DUE_IN);
        let look = claimed(&mut self.walk.pass, claim.await)?;
        (self.walk.pass).looked(range, &look, LIMITS.read, began.elapsed());
        // Where some are due there may be many.
        found.more |= !look.ids.is_empty();
        found.entries.extend(look.ids);
        Ok(())
    }

    async fn look_for_lost(&mut self, found: &mut Found) -> Result<(), DbErr> {
        let Some(mut recovery) = self.recovery.take() else {
            return Ok(());
        };
        let mut outcome = recovery.look(&self.db, found).await;
        for _ in 1..RECOVERY_STATEMENTS {
            // Where there is nothing to publish there is nothing to wait for.
            if !matches!(outcome, Ok(false)) || !found.entries.is_empty() {
                break;
            }
            outcome = recovery.look(&self.db, found).await;
        }
        if !matches!(outcome, Ok(true)) {
            self.recovery = Some(recovery);
        }
        outcome.map(drop)
    }
}

#[cfg(test)]
mod tests;

//! One round: everything that is old by now, one small statement after the other, with more rest than work between them, so that
//! webhooks find their way.

use std::time::{Duration, Instant};

use entity::lifecycle::{
    refusals,
    retention::{
        self, Before, Limits, Table,
        months::{self, Month, Taken},
        rows,
    },
};
use sea_orm::{DatabaseConnection, DbErr};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::held::Held;

/// Between two statements: four times as long as the last one took, and not less.
const REST_TIMES: u32 = 4;
const REST_MIN: Duration = Duration::from_millis(20);
/// Tries to take a month away while others use its table, and between them. At each, who comes waits for 100 ms at most.
const TRIES_MAX: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// A clock that is wrong would have everything deleted: both must agree.
const CLOCKS_DIFFER_MAX: time::Duration = time::Duration::hours(1);
/// Lines of the ledger of refusals that are kept, whatever their age.
const REFUSALS_MAX: u32 = 1_000_000;
/// Longer than anything is old.
const EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What a round has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A month was taken away from its table.
    Detached(Month),
    /// One that had been taken away is gone, and its space is free. Its name.
    Dropped(String),
    /// A month stays, for work in it is unfinished.
    Unfinished(Month),
    /// A month stays until the next round, for others use its table.
    Busy(Month),
    /// So many rows of a table, so far.
    Deleted { of: &'static str, rows: u64 },
    /// So many rows of a table, and no more of them are old.
    Done { of: &'static str, rows: u64 },
}

/// Why a round ended early.
#[derive(Debug)]
pub enum Stopped {
    /// It was told so.
    Told,
    Failed(DbErr),
    /// The database's clock is ahead by so much, or behind.
    ClocksDiffer {
        by: time::Duration,
    },
}

impl From<DbErr> for Stopped {
    fn from(error: DbErr) -> Self {
        Self::Failed(error)
    }
}

/// As what a round is made.
pub enum As {
    /// The process that has the duty. The round ends when another one has it, or `stop` comes.
    Holder { duty: Held, stop: CancellationToken },
    /// Whoever asks for it, beside that one.
    Anybody,
}

/// Deletes what is older than `limits`, and tells of each step.
pub async fn round(
    db: &DatabaseConnection,
    limits: &Limits,
    who: As,
    tell: impl FnMut(&Step),
) -> Result<(), Stopped> {
    let mut round = Round { db, who, tell };
    let now = common_now(db).await?;
    for table in Table::ALL {
        let before = table.limit(limits).and_then(|limit| before(now, limit));
        if let Some(before) = before {
            match table.has_months(db) {
                true => round.months(table, before).await?,
                false => round.rows(table, before).await?,
            }
        }
    }
    let keep_for = limits.refusals.unwrap_or(EVER);
    let rows = refusals::forget(db, keep_for, REFUSALS_MAX).await?;
    round.done("refusals", rows);
    Ok(())
}

/// The database's clock, if it can be believed.
async fn common_now(db: &DatabaseConnection) -> Result<OffsetDateTime, Stopped> {
    let now = retention::now(db).await?;
    let by = now - OffsetDateTime::now_utc();
    match by.abs() > CLOCKS_DIFFER_MAX {
        true => Err(Stopped::ClocksDiffer { by }),
        false => Ok(now),
    }
}

/// What is older than `limit`. `None` if nothing can be.
pub(super) fn before(now: OffsetDateTime, limit: Duration) -> Option<Before> {
    let limit = time::Duration::try_from(limit).ok()?;
    now.checked_sub(limit).map(Before::new)
}

struct Round<'a, T> {
    db: &'a DatabaseConnection,
    who: As,
    tell: T,
}

impl<T: FnMut(&Step)> Round<'_, T> {
    async fn months(&mut self, table: Table, before: Before) -> Result<(), Stopped> {
        // What a round before has taken away, and could not drop.
        self.drop_detached().await?;
        for month in months::months(self.db, table, before).await? {
            if month.unfinished {
                (self.tell)(&Step::Unfinished(month));
                continue;
            }
            self.month(month).await?;
            self.drop_detached().await?;
        }
        Ok(())
    }

    async fn month(&mut self, month: Month) -> Result<(), Stopped> {
        for _ in 0..TRIES_MAX {
            let step = match months::detach(self.db, &month).await? {
                Taken::Detached => Step::Detached(month),
                Taken::Unfinished => Step::Unfinished(month),
                Taken::Gone | Taken::NotOver => return Ok(()),
                Taken::Busy => {
                    self.rest(BETWEEN_TRIES).await?;
                    continue;
                }
            };
            (self.tell)(&step);
            return Ok(());
        }
        (self.tell)(&Step::Busy(month));
        Ok(())
    }

    async fn drop_detached(&mut self) -> Result<(), Stopped> {
        let mut began = Instant::now();
        while let Some(name) = months::drop_detached(self.db).await? {
            (self.tell)(&Step::Dropped(name));
            self.rest(began.elapsed() * REST_TIMES).await?;
            began = Instant::now();
        }
        Ok(())
    }

    async fn rows(&mut self, table: Table, before: Before) -> Result<(), Stopped> {
        let (mut from, mut all) = (Uuid::nil(), 0);
        loop {
            let began = Instant::now();
            let deleted = rows::delete(self.db, table, before, from).await?;
            all += deleted.rows;
            let Some(next) = deleted.next else {
                break;
            };
            from = next;
            let of = table.name();
            (self.tell)(&Step::Deleted { of, rows: all });
            self.rest(began.elapsed() * REST_TIMES).await?;
        }
        self.done(table.name(), all);
        Ok(())
    }

    fn done(&mut self, of: &'static str, rows: u64) {
        if rows > 0 {
            (self.tell)(&Step::Done { of, rows });
        }
    }

    async fn rest(&mut self, length: Duration) -> Result<(), Stopped> {
        tokio::time::sleep(length.max(REST_MIN)).await;
        let goes_on = match &mut self.who {
            As::Holder { duty, stop } => !stop.is_cancelled() && duty.keep(self.db).await?,
            As::Anybody => true,
        };
        match goes_on {
            true => Ok(()),
            false => Err(Stopped::Told),
        }
    }
}

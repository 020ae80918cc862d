//! One who follows what happens: looks for what is new since the last look, and knows where to go on.

use std::collections::BTreeSet;

use entity::lifecycle::{
    Pass, Range, clock,
    events::{self, PORTION},
    list::first_id,
    operate::audit::act::RETRY,
};
use sea_orm::{DatabaseConnection, DbErr};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Cursor, Event, Kind};

/// What is told is at least so old: what was received and decided by then has been committed. Longer than a commit may take.
pub const BEHIND_MS: i64 = 2_000;
/// Transactions whose end is awaited at once; of more, the oldest are awaited no longer.
const UNFINISHED_MAX: usize = 20_000;

/// One who follows.
#[derive(Clone, Debug)]
pub struct Follower {
    cursor: Cursor,
    /// Told as accepted, and not as finished or failed. They are asked about in the order of their ids, in portions.
    unfinished: BTreeSet<Uuid>,
    asked_up_to: Uuid,
    /// Where what was told before, and may have finished since, is still to be looked through.
    again: Option<Range>,
}

/// What a look has found.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub events: Vec<Event>,
    /// Whether there may be more right now.
    pub more: bool,
    /// Transactions whose end will not be told, because too many are unfinished.
    pub passed_over: usize,
}

impl Follower {
    /// Begins with what happens from now on.
    pub async fn from_now(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let now = first_id(at(Pass::now() as i64 - BEHIND_MS));
        let cursor = Cursor {
            accepted: now,
            unfinished: now,
            failed: clock(db).await? - BEHIND_MS,
            acts: now,
        };
        Ok(Self::from(cursor))
    }

    /// Where whoever has been told everything so far can go on. What was told last may then be told once more.
    pub fn cursor(&self) -> Cursor {
        let unfinished = self.unfinished.first().copied();
        let again = self.again.map(|range| range.from);
        let first = unfinished.into_iter().chain(again).min();
        Cursor {
            unfinished: first
                .unwrap_or(self.cursor.accepted)
                .min(self.cursor.accepted),
            ..self.cursor
        }
    }

    /// Looks for what has happened since the last look.
    pub async fn look(&mut self, db: &DatabaseConnection) -> Result<Look, DbErr> {
        let mut look = Look::default();
        let before = first_id(at(Pass::now() as i64 - BEHIND_MS));
        self.look_again(db, &mut look).await?;
        self.accepted(db, before, &mut look).await?;
        self.finished(db, &mut look).await?;
        self.failed(db, &mut look).await?;
        self.acts(db, before, &mut look).await?;
        while self.unfinished.len() > UNFINISHED_MAX {
            self.unfinished.pop_first();
            look.passed_over += 1;
        }
        // What is told by the database's clock is told in the order of its times. What was accepted has a time of its receiver's,
        // and is told before what has become of it.
        (look.events).sort_by_key(|event| (event.event != Kind::Accepted).then_some(event.at));
        Ok(look)
    }

    /// What was told before the cursor was: some of it has finished since.
    async fn look_again(&mut self, db: &DatabaseConnection, look: &mut Look) -> Result<(), DbErr> {
        let Some(range) = self.again else {
            return Ok(());
        };
        let rows = events::accepted(db, range).await?;
        for row in &rows {
            match Event::finished(row) {
                Some(event) if millis(event.at) >= self.cursor.failed => look.events.push(event),
                Some(_) => {}
                // What has failed is found by its time, and stays here until it is asked about.
                None => drop(self.unfinished.insert(row.id)),
            }
        }
        let next = behind(&rows, |row| row.id);
        self.again = next.map(|from| Range { from, ..range });
        look.more |= self.again.is_some();
        Ok(())
    }

    async fn accepted(
        &mut self,
        db: &DatabaseConnection,
        before: Uuid,
        look: &mut Look,
    ) -> Result<(), DbErr> {
        let range = Range {
            from: self.cursor.accepted,
            to: before,
        };
        if range.from >= range.to {
            return Ok(());
        }
        let rows = events::accepted(db, range).await?;
        look.events.extend(rows.iter().map(Event::accepted));
        self.unfinished.extend(rows.iter().map(|row| row.id));
        let next = behind(&rows, |row| row.id);
        self.cursor.accepted = next.unwrap_or(before);
        look.more |= next.is_some();
        Ok(())
    }

    /// Asks about a portion of what is unfinished; the next look asks about the next.
    async fn finished(&mut self, db: &DatabaseConnection, look: &mut Look) -> Result<(), DbErr> {
        let next = self.unfinished.range(self.asked_up_to..).take(PORTION);
        let ids: Vec<Uuid> = next.copied().collect();
        self.asked_up_to = behind(&ids, |id| *id).unwrap_or_default();
        if ids.is_empty() {
            return Ok(());
        }
        for row in events::finished(db, &ids).await? {
            self.unfinished.remove(&row.id);
            look.events.extend(Event::finished(&row));
        }
        Ok(())
    }

    async fn failed(&mut self, db: &DatabaseConnection, look: &mut Look) -> Result<(), DbErr> {
        let before = clock(db).await? - BEHIND_MS;
        if before <= self.cursor.failed {
            return Ok(());
        }
        let (failed, end) = events::failed(db, self.cursor.failed, before).await?;
        look.events.extend(failed.into_iter().map(Event::failed));
        look.more |= end < before;
        self.cursor.failed = end;
        Ok(())
    }

    async fn acts(
        &mut self,
        db: &DatabaseConnection,
        before: Uuid,
        look: &mut Look,
    ) -> Result<(), DbErr> {
        let range = Range {
            from: self.cursor.acts,
            to: before,
        };
        if range.from >= range.to {
            return Ok(());
        }
        let acts = events::acts(db, range).await?;
        let next = behind(&acts, |act| act.id);
        self.cursor.acts = next.unwrap_or(before);
        look.more |= next.is_some();
        for act in acts {
            // What is tried again may finish after all.
            self.unfinished
                .extend(act.subject.filter(|_| act.act == RETRY));
            look.events.push(Event::operator(act));
        }
        Ok(())
    }
}

impl From<Cursor> for Follower {
    fn from(cursor: Cursor) -> Self {
        let again = Range {
            from: cursor.unfinished,
            to: cursor.accepted,
        };
        Self {
            cursor,
            unfinished: BTreeSet::new(),
            asked_up_to: Uuid::nil(),
            again: (again.from < again.to).then_some(again),
        }
    }
}

fn at(millis: i64) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Where the next portion begins, if this one is full: behind its last.
fn behind<T>(portion: &[T], id: impl Fn(&T) -> Uuid) -> Option<Uuid> {
    let last = portion.last().filter(|_| portion.len() >= PORTION)?;
    Some(Uuid::from_u128(id(last).as_u128().saturating_add(1)))
}

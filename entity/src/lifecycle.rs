//! A transaction's life, statement by statement, in the order in which they happen:
//! [`receive`], the relay's [`due`], [`take`], [`jobs`] and [`record`](record()) (the consumer's, who works under a
//! [`lease`]), what operators do ([`operate`]), and what changes nothing: [`read`](mod@read), [`list`],
//! and [`overview`], [`failed`] and [`place`] for operators. Beside that: which process has a [`duty`], what is there
//! ([`figures`]), which source was last [`heard`] of when, and what operators were told ([`alert`]).
//!
//! An unfinished transaction has its row in `outbox` while it is in the queue or in a consumer's hands, or
//! should be, and in `retries` while it certainly is neither: it waits for its next attempt, or its consumer died. A
//! `PROCESSED` one has such a row only while it is replayed.
//!
//! Every write carries its precondition and can be repeated: after an error whose outcome is
//! unknown, the same call again does what is left to do.
//!
//! On PostgreSQL each write is one autocommitted statement, so that no pooled connection is ever
//! left inside a transaction (sqlx 0.9.0 can leave one behind when `begin` is cancelled), and each has a
//! limit of time by our clock (`statement`). SQLite has no writing `WITH`, so there the same is several
//! statements, from BEGIN to COMMIT, handed over in one call. Callers must not drop these futures half-way:
//! they belong in long-lived tasks.

use std::{collections::HashMap, time::Duration};

use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, Statement, TryGetable};
use uuid::Uuid;

use crate::{
    Status, Webhook, conflict, sql,
    statement::{self, LOOK_THROUGH, execute, query},
};

pub mod alert;
pub mod due;
pub mod duty;
pub mod erase;
pub mod events;
pub mod failed;
pub mod figures;
pub mod heard;
mod job;
pub mod lease;
pub mod list;
pub mod operate;
pub mod overview;
pub mod partition;
mod pass;
pub mod place;
pub mod read;
mod receive;
mod record;
pub mod refusals;
pub mod repeats;
pub mod retention;
pub mod summary;
mod take;

pub use job::{BODY_BYTES_READ, Job, body, jobs};
pub use pass::{Look, Pass, Range, Span};
pub use read::{
    Known, attempts, clock, failure, failures, find, known, payload, sources, statuses,
};
pub use receive::{Receipt, Received, receive, receive_repeats};
pub use record::{Attempt, Record, Transition, record};
pub use take::{Taken, park, release, take};

/// How long the relay leaves alone an id that it has published or a consumer has taken, should nobody say anything
/// about it again: the broker may have lost it, and the consumer's lease may be gone. Longer than any
/// healthy wait; a message too many costs a look-up.
pub const LOOK_AGAIN_IN: Duration = Duration::from_secs(15 * 60);
/// What an entry takes with it wherever it goes between `outbox` and `retries`, beside its deaths.
const CARRIED: &str = "attempts, failures, earlier, replay, bulk";
/// How often a statement is tried when the database says that it lost a race (a deadlock or a
/// serialization failure), which says nothing against the statement itself.
const TRIES_MAX: usize = 5;

/// Who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// One consumer of several, under a [`lease`].
    Consumer(Uuid),
    /// The only process there is: what others hold need not be asked.
    Sole,
}

impl Holder {
    fn id(self) -> Option<Uuid> {
        match self {
            Self::Consumer(id) => Some(id),
            Self::Sole => None,
        }
    }
}

/// Whether the database refuses the data itself, so that trying again is no use: SQLSTATE class 22
/// (data exception) or 23 (integrity constraint), and SQLite's `SQLITE_CONSTRAINT` or `TOOBIG`.
pub fn refuses_the_data(error: &DbErr) -> bool {
    code(error).is_some_and(|code| match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 18 | 19),
        _ => code.starts_with("22") || code.starts_with("23"),
    })
}

/// Whether no repetition will help, because what the database lacks or forbids is not the data: SQLSTATE class 42 (a table
/// or a privilege that is missing, but not a prepared statement that a pooler has lost), or an answer that this version
/// cannot read.
pub fn can_never_work(error: &DbErr) -> bool {
    match error {
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => true,
        _ => code(error).is_some_and(|code| code.starts_with("42") && code != "42P05"),
    }
}

/// The one number that a statement returns.
async fn count_of(db: &DatabaseConnection, statement: Statement) -> Result<u64, DbErr> {
    let row = query(db, statement).await?;
    let count: i64 = match row.as_slice() {
        [row] => row.try_get_by_index(0)?,
        _ => return Err(DbErr::RecordNotFound("a count".into())),
    };
    Ok(count.unsigned_abs())
}

/// What a statement returns about each id.
async fn pairs<T: TryGetable>(
    db: &DatabaseConnection,
    statement: Statement,
) -> Result<HashMap<Uuid, T>, DbErr> {
    let rows = query(db, statement).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

async fn returned_ids(db: &DatabaseConnection, statement: Statement) -> Result<Vec<Uuid>, DbErr> {
    let rows = query(db, statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// A look's rows: each id that it was made for with 0, and the last entry with the number that were read.
async fn look_of(db: &DatabaseConnection, statement: Statement) -> Result<Look, DbErr> {
    let mut look = Look::default();
    for row in statement::look(db, statement, LOOK_THROUGH).await? {
        let (id, read): (Uuid, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        match read {
            0 => look.ids.push(id),
            _ => (look.read, look.last) = (read.unsigned_abs(), Some(id)),
        }
    }
    Ok(look)
}

/// Repeats what lost a race (PostgreSQL's 40P01 and 40001). `run` makes its statement anew each time:
/// there is hardly ever a second, and a copy kept for it would cost as much as the first.
async fn retrying<T, F>(run: impl Fn() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    for _ in 1..TRIES_MAX {
        match run().await {
            Err(error) if matches!(code(&error).as_deref(), Some("40P01" | "40001")) => {}
            outcome => return outcome,
        }
    }
    run().await
}

/// The database's own code for what went wrong.
fn code(error: &DbErr) -> Option<String> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            Some(error.as_database_error()?.code()?.into_owned())
        }
        _ => None,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

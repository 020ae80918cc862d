//! Bulk retries: all failed transactions that match a filter are reopened, at a rate, portion by portion in the order of their
//! ids. Whoever has time [`advance`]s them; each portion is one statement, which also notes how far it has come. So nobody
//! need remember anything, and a process that dies costs a portion's time.
//!
//! Each transaction is reopened once by one bulk retry, however often it fails: the ids only go forward.

mod advance;
mod filter;

use sea_orm::{
    ActiveEnum as _, DatabaseConnection, DbBackend, DbErr, FromQueryResult, QueryResult,
};
use uuid::Uuid;

use super::{
    super::{query, retrying, sql},
    By, audit,
};
use crate::{
    bulk_retry::{Model, State},
    statement::look_up,
};
pub use advance::{Advanced, advance};
use filter::{End, READ_MAX};
pub use filter::{Filter, NotFilter};

/// Transactions a second, at most.
pub const RATE_MAX: u32 = 10_000;
/// Bulk retries that a [`list`] tells.
pub const LISTED_MAX: u64 = 200;

const COLUMNS: &str = "id, filter, rate, state, who, reason, matched, retried, passed_over, retried_again, next_id, \
     failed_before, next_at, created_at, ended_at";

/// A bulk retry and what has become of what it has reopened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub bulk: Model,
    /// Unfinished again, and not final yet.
    pub remaining: u64,
    /// Failed again.
    pub failed: u64,
    /// Processed.
    pub processed: u64,
}

/// How many transactions match: exactly, by a look at every failure.
pub async fn count(db: &DatabaseConnection, filter: &Filter) -> Result<u64, DbErr> {
    let mut count = 0;
    let mut from = filter.first_id();
    loop {
        let portion = filter::portion(db, filter, from, None, (usize::MAX, READ_MAX)).await?;
        count += portion.ids.len() as u64;
        match portion.end {
            End::Next(next) => from = next,
            End::All => return Ok(count),
        }
    }
}

/// Begins to retry all that match and have failed by now, `rate` of them a second: between 1 and [`RATE_MAX`], and the nearest
/// of these if it is none. It goes on wherever somebody [`advance`]s it.
pub async fn create(
    db: &DatabaseConnection,
    filter: &Filter,
    rate: u32,
    by: &By,
) -> Result<Model, DbErr> {
    let failed_before = now(db).await?;
    let matched = i64::try_from(count(db, filter).await?).unwrap_or(i64::MAX);
    let rate = i32::try_from(rate.clamp(1, RATE_MAX)).unwrap_or(1);
    let told = format!(
        "{} SELECT $1, '{}', $2, $3, $10, NULL, $4, $5, $6",
        audit::INSERT,
        audit::act::BULK_RETRY
    );
    // The time as it was read, in the database's own form.
    let before = match db.get_database_backend() {
        DbBackend::Postgres => "$8::text::timestamptz",
        _ => "$8",
    };
    let insert = format!(
        "INSERT INTO bulk_retries (id, filter, rate, state, who, reason, matched, next_id, failed_before, next_at) \
         VALUES ($4, $6, $7, 'RUNNING', $2, $3, $5, $9, {before}, {}) RETURNING {COLUMNS}",
        sql::now_millis(db)
    );
    let create = match db.get_database_backend() {
        DbBackend::Postgres => format!("WITH told AS ({told}) {insert}"),
        _ => format!("BEGIN IMMEDIATE; {told}; {insert}; COMMIT"),
    };
    let (line, id) = (Uuid::now_v7(), Uuid::now_v7());
    let rows = retrying(|| {
        let source = filter.source.as_ref();
        let values = [
            id.into(),
            matched.into(),
            filter.to_json().into(),
            rate.into(),
            failed_before.clone().into(),
            filter.first_id().into(),
            source.map(|source| source.as_ref().to_owned()).into(),
        ];
        let values = audit::line(line, by).into_iter().chain(values);
        query(db, sql::statement(db, create.as_str(), values))
    })
    .await?;
    one(&rows)?.ok_or_else(|| DbErr::RecordNotFound("a bulk retry that was just made".into()))
}

/// The database's clock, as it writes a time itself: what it compares is of its own making.
async fn now(db: &DatabaseConnection) -> Result<String, DbErr> {
    let now = format!("SELECT CAST({} AS text)", sql::now(db));
    let rows = look_up(db, || sql::statement(db, now.as_str(), [])).await?;
    match rows.as_slice() {
        [row] => row.try_get_by_index(0),
        _ => Err(DbErr::RecordNotFound("the time".into())),
    }
}

fn one(rows: &[QueryResult]) -> Result<Option<Model>, DbErr> {
    let row = rows.first();
    row.map(|row| Model::from_query_result(row, "")).transpose()
}

/// How far a bulk retry is.
pub async fn find(db: &DatabaseConnection, id: Uuid) -> Result<Option<Progress>, DbErr> {
    // One statement: what it counts moves.
    let select = format!(
        "SELECT {COLUMNS}, \
                (SELECT count(*) FROM outbox WHERE bulk = $1) + (SELECT count(*) FROM retries WHERE bulk = $1) AS remaining, \
                (SELECT count(*) FROM failures WHERE bulk = $1) AS failed \
         FROM bulk_retries WHERE id = $1"
    );
    let rows = look_up(db, || sql::statement(db, &select, [id.into()])).await?;
    let Some(bulk) = one(&rows)? else {
        return Ok(None);
    };
    let number = |name| -> Result<u64, DbErr> {
        let number: i64 = rows[0].try_get_by(name)?;
        Ok(number.unsigned_abs())
    };
    let (remaining, failed) = (number("remaining")?, number("failed")?);
    let processed = [bulk.retried_again.unsigned_abs(), remaining, failed]
        .into_iter()
        .fold(bulk.retried.unsigned_abs(), u64::saturating_sub);
    Ok(Some(Progress {
        bulk,
        remaining,
        failed,
        processed,
    }))
}

/// The newest bulk retries, newest first: `limit` of them, [`LISTED_MAX`] at most.
pub async fn list(db: &DatabaseConnection, limit: u64) -> Result<Vec<Model>, DbErr> {
    let limit = limit.min(LISTED_MAX);
    let select = format!("SELECT {COLUMNS} FROM bulk_retries ORDER BY id DESC LIMIT {limit}");
    let rows = look_up(db, || sql::statement(db, &select, [])).await?;
    let rows = rows.iter();
    rows.map(|row| Model::from_query_result(row, "")).collect()
}

/// What came of a wish about a bulk retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is as was wished.
    Changed,
    /// It is not in a state from which that can be: this one.
    Not(State),
    /// There is none with this id.
    Unknown,
}

/// Stops a running one until it is [resumed](resume).
pub async fn pause(db: &DatabaseConnection, id: Uuid, by: &By) -> Result<Changed, DbErr> {
    change(
        db,
        id,
        by,
        audit::act::BULK_PAUSE,
        &[State::Running],
        State::Paused,
    )
    .await
}

/// Lets a paused one go on.
pub async fn resume(db: &DatabaseConnection, id: Uuid, by: &By) -> Result<Changed, DbErr> {
    change(
        db,
        id,
        by,
        audit::act::BULK_RESUME,
        &[State::Paused],
        State::Running,
    )
    .await
}

/// Ends one for good. When this has returned it reopens nothing more; what it has reopened goes on.
pub async fn cancel(db: &DatabaseConnection, id: Uuid, by: &By) -> Result<Changed, DbErr> {
    let from = [State::Running, State::Paused];
    change(db, id, by, audit::act::BULK_CANCEL, &from, State::Cancelled).await
}

async fn change(
    db: &DatabaseConnection,
    id: Uuid,
    by: &By,
    act: &str,
    from: &[State],
    to: State,
) -> Result<Changed, DbErr> {
    let from: Vec<String> = from
        .iter()
        .map(|state| format!("'{}'", state.to_value()))
        .collect();
    let from = from.join(", ");
    let ended = match to {
        State::Cancelled | State::Done => sql::now(db),
        State::Running | State::Paused => "ended_at",
    };
    let to = to.to_value();
    let told = format!(
        "{} SELECT $1, '{act}', $2, $3, NULL, NULL, id, matched, NULL",
        audit::INSERT
    );
    let now = sql::now_millis(db);
    let update = format!(
        "UPDATE bulk_retries SET state = '{to}', ended_at = {ended}, next_at = {now} WHERE id = $4 AND state IN ({from})"
    );
    let change = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH changed AS ({update} RETURNING id, matched), told AS ({told} FROM changed) SELECT id FROM changed"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; {told} FROM bulk_retries WHERE id = $4 AND state IN ({from}); {update} RETURNING id; COMMIT"
        ),
    };
    let line = Uuid::now_v7();
    let rows = retrying(|| {
        let values = audit::line(line, by).into_iter().chain([id.into()]);
        query(db, sql::statement(db, change.as_str(), values))
    })
    .await?;
    if !rows.is_empty() {
        return Ok(Changed::Changed);
    }
    let state = "SELECT state FROM bulk_retries WHERE id = $1";
    let rows = look_up(db, || sql::statement(db, state, [id.into()])).await?;
    Ok(match rows.first() {
        Some(row) => Changed::Not(row.try_get_by_index(0)?),
        None => Changed::Unknown,
    })
}

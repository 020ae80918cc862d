//! How much there is in the database, for whoever watches it. One process of all asks: see [`duty`](super::duty).

use sea_orm::{DatabaseConnection, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{LOOK_AGAIN_IN, millis, operate::pause::PARKED, sql};
use crate::{
    Verdict,
    statement::{self, LOOK},
};

/// Entries of a table that are counted: the look is made again and again.
pub const COUNTED_MAX: u64 = 100_000;
/// An entry of `outbox` that is due so soon was committed a moment ago; one that is due later was published.
const COMMITTED_FOR_MS: i64 = 10_000;

/// Unfinished work: no more than [`COUNTED_MAX`] entries of each table are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Unfinished {
    /// In `outbox`: due for the relay.
    pub due: i64,
    /// In `outbox`, in no consumer's hands: published, or about to be. Where one process has the database for itself, also
    /// what it works on.
    pub published: i64,
    /// In `outbox`, in a consumer's hands.
    pub in_flight: i64,
    /// In `retries`: due for the relay.
    pub retries_due: i64,
    /// In `retries`: its time has not come.
    pub retries_waiting: i64,
    /// In `retries`, until a pause is over.
    pub parked: i64,
    /// For how long what was due first has been due, in milliseconds; `None` if nothing is.
    pub overdue_ms: Option<i64>,
    /// For how long what was published and is in nobody's hands has waited for a consumer, in milliseconds, at most
    /// [`LOOK_AGAIN_IN`].
    pub waiting_ms: Option<i64>,
}

/// What is unfinished.
pub async fn unfinished(db: &DatabaseConnection) -> Result<Unfinished, DbErr> {
    let now = sql::now_millis(db);
    let again_in = millis(LOOK_AGAIN_IN);
    let select = format!(
        "WITH clock AS (SELECT {now} AS now), \
         entries AS (SELECT due_at, holder FROM outbox ORDER BY id LIMIT {COUNTED_MAX}), \
         waits AS (SELECT due_at FROM retries ORDER BY due_at LIMIT {COUNTED_MAX}), \
         of_outbox AS (SELECT \
           count(*) FILTER (WHERE holder IS NULL AND due_at <= now) AS due, \
           count(*) FILTER (WHERE holder IS NULL AND due_at > now) AS published, \
           count(*) FILTER (WHERE holder IS NOT NULL) AS in_flight, \
           max(now - due_at) FILTER (WHERE holder IS NULL AND due_at <= now) AS overdue_ms, \
           max({again_in} - (due_at - now)) FILTER \
             (WHERE holder IS NULL AND due_at - now BETWEEN {COMMITTED_FOR_MS} AND {again_in}) AS waiting_ms \
           FROM entries CROSS JOIN clock), \
         of_retries AS (SELECT \
           count(*) FILTER (WHERE due_at <= now) AS retries_due, \
           count(*) FILTER (WHERE due_at > now AND due_at < {PARKED}) AS retries_waiting, \
           count(*) FILTER (WHERE due_at >= {PARKED}) AS parked, \
           max(now - due_at) FILTER (WHERE due_at <= now) AS retries_overdue_ms \
           FROM waits CROSS JOIN clock) \
         SELECT due, published, in_flight, retries_due, retries_waiting, parked, waiting_ms, \
           CASE WHEN overdue_ms IS NULL OR retries_overdue_ms > overdue_ms THEN retries_overdue_ms ELSE overdue_ms END \
             AS overdue_ms \
         FROM of_outbox CROSS JOIN of_retries"
    );
    let rows = statement::look(db, sql::statement(db, select, []), LOOK).await?;
    let row = rows.first();
    let row = row.ok_or_else(|| DbErr::RecordNotFound("figures".into()))?;
    Unfinished::from_query_result(row, "")
}

/// How many transactions are `FAILED`, by verdict; no more than [`COUNTED_MAX`] are counted.
pub async fn failures(db: &DatabaseConnection) -> Result<Vec<(Verdict, i64)>, DbErr> {
    let select = format!(
        "SELECT verdict, count(*) AS count FROM (SELECT verdict FROM failures LIMIT {COUNTED_MAX}) AS entries \
         GROUP BY verdict"
    );
    let rows = statement::look(db, sql::statement(db, select, []), LOOK).await?;
    let rows = rows.iter();
    rows.map(|row| Ok((row.try_get_by("verdict")?, row.try_get_by("count")?)))
        .collect()
}

/// The oldest row of each table that grows with time, by its id, which begins with its milliseconds since 1970.
pub async fn oldest(db: &DatabaseConnection) -> Result<Vec<(&'static str, Uuid)>, DbErr> {
    let mut oldest = Vec::new();
    for table in ["transactions", "payloads", "attempts", "refusals", "audit"] {
        let select = format!("SELECT id FROM {table} ORDER BY id LIMIT 1");
        let rows = statement::look(db, sql::statement(db, select, []), LOOK).await?;
        if let Some(row) = rows.first() {
            oldest.push((table, row.try_get_by("id")?));
        }
    }
    Ok(oldest)
}

//! What operators were told: up to when, and when they may be told again. Of each kind one process tells at a time; should
//! two do it, or one die between telling and noting it, it is told twice, and its id says so.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};

use super::{execute, millis, query, sql};

/// How things are with one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What happened until then was told, in milliseconds since 1970 by the database's clock.
    pub told_to: i64,
    /// The database's clock.
    pub now: i64,
    /// Whether it may be told again.
    pub is_free: bool,
}

/// How things are with `kind` (up to 40 characters). What happened before this is asked for the first time is not told.
pub async fn turn(db: &DatabaseConnection, kind: &str) -> Result<Turn, DbErr> {
    let now = sql::now_millis(db);
    let select = format!("SELECT told_to, next_at, {now} AS now FROM alerts WHERE kind = $1");
    let values = || [kind.into()];
    let mut rows = query(db, sql::statement(db, select.as_str(), values())).await?;
    if rows.is_empty() {
        let begin = format!(
            "INSERT INTO alerts (kind, told_to, next_at) VALUES ($1, {now}, 0) ON CONFLICT (kind) DO NOTHING"
        );
        execute(db, sql::statement(db, begin, values())).await?;
        rows = query(db, sql::statement(db, select.as_str(), values())).await?;
    }
    let row = rows.first();
    let row = row.ok_or_else(|| DbErr::RecordNotFound("an alert's turn".into()))?;
    let (next_at, now): (i64, i64) = (row.try_get_by("next_at")?, row.try_get_by("now")?);
    Ok(Turn {
        told_to: row.try_get_by("told_to")?,
        now,
        is_free: next_at <= now,
    })
}

/// Notes that what happened until `to` was told, and that `kind` is not to be told again before `again_in` has passed.
/// Returns whether nobody else had noted anything since `turn` was looked at.
pub async fn told(
    db: &DatabaseConnection,
    kind: &str,
    turn: Turn,
    to: i64,
    again_in: Duration,
) -> Result<bool, DbErr> {
    let told = format!(
        "UPDATE alerts SET told_to = $2, next_at = {} + $3 WHERE kind = $1 AND told_to = $4",
        sql::now_millis(db)
    );
    let values = [
        kind.into(),
        to.into(),
        millis(again_in).into(),
        turn.told_to.into(),
    ];
    Ok(execute(db, sql::statement(db, told, values)).await? == 1)
}

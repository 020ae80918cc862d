//! Whole months of `transactions` and `payloads`, on PostgreSQL: to take one away costs the same whatever is in it, and gives its
//! space back. A month in which any work is unfinished waits as a whole: nothing of it is deleted, so that whoever looks finds
//! either all of a month or nothing.

use sea_orm::{DatabaseConnection, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{Before, Table};
use crate::{
    lifecycle::{code, sql},
    statement::{look_up, query},
};

/// A partition that has ended before some time.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Month {
    /// The partition's name.
    pub name: String,
    /// The first id that is not in it any more.
    pub bound: Uuid,
    /// Rows, as the database estimates.
    pub rows: i64,
    /// Bytes on disk, with its indexes.
    pub bytes: i64,
    /// Whether work in it is unfinished.
    pub unfinished: bool,
}

/// What came of taking a month away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Its table knows it no more.
    Detached,
    /// Work in it is unfinished: it stays.
    Unfinished,
    /// It has not ended, or has no end: it stays.
    NotOver,
    /// Somebody else has taken it away.
    Gone,
    /// Others use it, or its table: it stays for now.
    Busy,
}

/// The months of a table that had ended before a time, the oldest first. None of a table that has none.
pub async fn months(
    db: &DatabaseConnection,
    table: Table,
    before: Before,
) -> Result<Vec<Month>, DbErr> {
    if !table.has_months(db) {
        return Ok(Vec::new());
    }
    let unfinished = |entries| {
        format!(
            "EXISTS (SELECT 1 FROM {entries} WHERE {entries}.id >= first AND {entries}.id < bound)"
        )
    };
    let months = format!(
        "SELECT name, bound, rows, pg_total_relation_size(oid) AS bytes, {} OR {} AS unfinished \
         FROM (SELECT oid, oid::regclass::text AS name, greatest(reltuples, 0)::bigint AS rows, \
             coalesce(substring(bounds FROM 'FROM \\(''([0-9a-f-]{{36}})''\\)'), '{}')::uuid AS first, \
             substring(bounds FROM 'TO \\(''([0-9a-f-]{{36}})''\\)')::uuid AS bound \
           FROM (SELECT pg_class.oid, reltuples, pg_get_expr(relpartbound, pg_class.oid) AS bounds \
             FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
             WHERE inhparent = '{}'::regclass) AS partitions) AS months \
         WHERE bound <= $1 ORDER BY bound",
        unfinished("outbox"),
        unfinished("retries"),
        Uuid::nil(),
        table.name(),
    );
    let rows = look_up(db, || sql::statement(db, &months, [before.id.into()])).await?;
    let rows = rows.iter();
    rows.map(|row| Month::from_query_result(row, "")).collect()
}

/// Takes a month away from its table, if no work in it is unfinished by then. What is left is for [`drop_detached`].
pub async fn detach(db: &DatabaseConnection, month: &Month) -> Result<Taken, DbErr> {
    // It belongs to the tables' owner and works as that, so whoever may delete need not own them.
    let detach = "SELECT hookline_detach_partition($1)";
    let detach = sql::statement(db, detach, [month.name.as_str().into()]);
    let said: String = match query(db, detach).await {
        Ok(rows) => match rows.first() {
            Some(row) => row.try_get_by_index(0)?,
            None => return Err(DbErr::RecordNotFound("what came of it".into())),
        },
        Err(error) if is_busy(&error) => return Ok(Taken::Busy),
        Err(error) => return Err(error),
    };
    match said.as_str() {
        "detached" => Ok(Taken::Detached),
        "unfinished" => Ok(Taken::Unfinished),
        "not over" => Ok(Taken::NotOver),
        "gone" => Ok(Taken::Gone),
        other => Err(DbErr::Type(format!("{other} is not understood"))),
    }
}

/// Drops one of the months that were taken away, and gives its space back. Returns its name; `None` if there is none, or others
/// use it.
pub async fn drop_detached(db: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let drop = sql::statement(db, "SELECT hookline_drop_detached()", []);
    match query(db, drop).await {
        Ok(rows) => match rows.first() {
            Some(row) => row.try_get_by_index(0),
            None => Ok(None),
        },
        Err(error) if is_busy(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// lock_not_available and deadlock_detected: others hold what is needed, which passes.
fn is_busy(error: &DbErr) -> bool {
    matches!(code(error).as_deref(), Some("55P03" | "40P01"))
}

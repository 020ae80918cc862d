//! Rows that are deleted one portion at a time, so that nobody waits for long: all that PostgreSQL has not in partitions, and all
//! that SQLite has. What SQLite frees it uses again; PostgreSQL's autovacuum does the same for it.

use sea_orm::{DatabaseConnection, DbErr, Value};
use uuid::Uuid;

use super::{Before, Table};
use crate::{
    lifecycle::{count_of, execute, returned_ids, sql},
    statement::look_up,
};

/// Rows that one statement reads; it deletes those of them that may go.
pub const PORTION: u64 = 500;
/// Rows that are counted for whoever asks first.
pub const COUNTED_MAX: u64 = 100_000;

/// What one portion came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub rows: u64,
    /// Where the next portion begins; `None` if all has been looked at.
    pub next: Option<Uuid>,
}

/// Deletes what is old of the next rows of a table, from `from` on: begin with the nil id.
pub async fn delete(
    db: &DatabaseConnection,
    table: Table,
    before: Before,
    from: Uuid,
) -> Result<Deleted, DbErr> {
    if table == Table::Conflicts {
        return delete_conflicts(db, before).await;
    }
    let name = table.name();
    let next = format!(
        "SELECT id FROM {name} WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1 OFFSET {PORTION}"
    );
    let next = sql::statement(db, next, [from.into(), before.id.into()]);
    let next = returned_ids(db, next).await?.first().copied();
    // All rows of one id are in one portion, however many.
    let next = next.map(|next: Uuid| next.max(Uuid::from_u128(from.as_u128().saturating_add(1))));
    let delete = format!("DELETE FROM {name} WHERE {}", is_old(db, table));
    let values = values(table, (from, next.unwrap_or(before.id)), before);
    let rows = execute(db, sql::statement(db, delete, values)).await?;
    Ok(Deleted { rows, next })
}

/// Their ids say nothing about time.
async fn delete_conflicts(db: &DatabaseConnection, before: Before) -> Result<Deleted, DbErr> {
    let delete = format!(
        "DELETE FROM conflicts WHERE id IN ( \
           SELECT id FROM conflicts WHERE received_at < {} ORDER BY received_at LIMIT {PORTION})",
        sql::time_of(db, 1)
    );
    let rows = execute(db, sql::statement(db, delete, [millis(before)])).await?;
    let next = (rows == PORTION).then_some(Uuid::nil());
    Ok(Deleted { rows, next })
}

/// How many rows of a table would go: up to one more than [`COUNTED_MAX`].
pub async fn count(db: &DatabaseConnection, table: Table, before: Before) -> Result<u64, DbErr> {
    let (which, values) = match table {
        Table::Conflicts => (
            format!("received_at < {}", sql::time_of(db, 1)),
            vec![millis(before)],
        ),
        _ => (
            is_old(db, table),
            values(table, (Uuid::nil(), before.id), before),
        ),
    };
    let count = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {} WHERE {which} LIMIT {}) AS old",
        table.name(),
        COUNTED_MAX + 1
    );
    let rows = look_up(db, || sql::statement(db, &count, values.clone())).await?;
    let count: i64 = match rows.first() {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    Ok(count.unsigned_abs())
}

/// How many lines of the ledger of refusals are older than a time: up to one more than [`COUNTED_MAX`].
pub async fn count_refusals(db: &DatabaseConnection, before: Before) -> Result<u64, DbErr> {
    let count = format!(
        "SELECT count(*) FROM (SELECT 1 FROM refusals WHERE id < $1 LIMIT {}) AS old",
        COUNTED_MAX + 1
    );
    count_of(db, sql::statement(db, count, [before.id.into()])).await
}

/// A condition on a table that has ids with times in them: $1 is where they begin, and $2 where they end.
fn is_old(db: &DatabaseConnection, table: Table) -> String {
    let within = "id >= $1 AND id < $2";
    // Within the same bounds: however long these tables are, only what is in the portion is looked at.
    let is_finished = |name: &str| {
        ["outbox", "retries"]
            .map(|entries| {
                format!(
                    " AND NOT EXISTS (SELECT 1 FROM {entries} WHERE {entries}.id = {name}.id \
                       AND {entries}.id >= $1 AND {entries}.id < $2)"
                )
            })
            .concat()
    };
    match table {
        Table::Payloads => format!("{within}{}", is_finished("payloads")),
        Table::Transactions => {
            let is_finished = is_finished("transactions");
            format!("{within} AND status <> 'PROCESSING'{is_finished}")
        }
        // Those of a replay are younger than their transaction.
        Table::Attempts => {
            let is_finished = is_finished("attempts");
            format!(
                "{within} AND started_at < {}{is_finished}",
                sql::time_of(db, 3)
            )
        }
        Table::Repeats => format!("{within} AND last_at < {}", sql::time_of(db, 3)),
        Table::Audit => format!("{within} AND acted_at < {}", sql::time_of(db, 3)),
        Table::Conflicts => format!("received_at < {}", sql::time_of(db, 1)),
    }
}

fn values(table: Table, (from, to): (Uuid, Uuid), before: Before) -> Vec<Value> {
    let mut values = vec![from.into(), to.into()];
    if matches!(table, Table::Attempts | Table::Repeats | Table::Audit) {
        values.push(millis(before));
    }
    values
}

/// To be read by [`sql::time_of`].
fn millis(before: Before) -> Value {
    let millis = before.time.unix_timestamp_nanos() / 1_000_000;
    i64::try_from(millis).unwrap_or(i64::MAX).into()
}

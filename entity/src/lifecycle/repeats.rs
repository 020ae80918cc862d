//! How often a known id came again, and when last. Nothing depends on it: a process that dies takes a second of it along.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{execute, retrying, sql};
use crate::{SourceName, TransactionId, statement::look_up};

/// Conflicts of a transaction that are counted.
pub const CONFLICTS_COUNTED_MAX: u64 = 100;

/// What else has come under a transaction's id.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Beside {
    /// How often it came again, with the same content or other. `None` if it never did.
    pub repeats: Option<i64>,
    /// When it did last, by the database's clock.
    pub last_repeat_at: Option<OffsetDateTime>,
    /// How many other contents have come: up to one more than [`CONFLICTS_COUNTED_MAX`].
    pub conflicts: i64,
}

/// Adds to how often these rows' ids came again: now was the last time. To be called once: it cannot be repeated.
pub async fn add(db: &DatabaseConnection, mut repeats: Vec<(Uuid, u32)>) -> Result<(), DbErr> {
    // One order for everybody: two processes that count the same ids wait for each other instead of deadlocking.
    repeats.sort();
    let (rows, values) = match db.get_database_backend() {
        DbBackend::Postgres => postgres(db, &repeats),
        _ => sqlite(&repeats),
    };
    let add = format!(
        "INSERT INTO repeats (id, count, last_at) SELECT id, count, {} FROM ({rows}) AS rows WHERE true \
         ON CONFLICT (id) DO UPDATE SET count = repeats.count + excluded.count, last_at = excluded.last_at",
        sql::now(db)
    );
    // A statement that has lost a race has done nothing.
    retrying(|| execute(db, sql::statement(db, &add, values.clone()))).await?;
    Ok(())
}

fn postgres(db: &DatabaseConnection, repeats: &[(Uuid, u32)]) -> (String, Vec<Value>) {
    let counts = repeats.iter().map(|(_, count)| i64::from(*count));
    let values = vec![
        sql::ids(db, repeats.iter().map(|(id, _)| id)),
        counts.collect::<Vec<i64>>().into(),
    ];
    let rows = "SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS rows (id, count)";
    (rows.to_owned(), values)
}

fn sqlite(repeats: &[(Uuid, u32)]) -> (String, Vec<Value>) {
    let rows = repeats.iter().map(|(id, count)| {
        let id = id.simple().to_string();
        serde_json::Value::from(vec![serde_json::Value::from(id), (*count).into()])
    });
    let select = "SELECT unhex(value ->> 0) AS id, value ->> 1 AS count FROM json_each($1)";
    (select.to_owned(), vec![sql::json(rows)])
}

/// What else has come under the id of a row.
pub async fn beside(
    db: &DatabaseConnection,
    id: Uuid,
    (source, transaction_id): (&SourceName, &TransactionId),
) -> Result<Beside, DbErr> {
    let select = format!(
        "SELECT repeats.count AS repeats, repeats.last_at AS last_repeat_at, \
           (SELECT count(*) FROM (SELECT 1 FROM conflicts WHERE transaction_id = $2 AND source = $3 LIMIT {}) AS others) \
             AS conflicts \
         FROM (SELECT 1) AS one LEFT JOIN repeats ON repeats.id = $1",
        CONFLICTS_COUNTED_MAX + 1
    );
    let statement = || {
        let values = [
            id.into(),
            transaction_id.as_ref().into(),
            source.as_ref().into(),
        ];
        sql::statement(db, &select, values)
    };
    let rows = look_up(db, statement).await?;
    match rows.first() {
        Some(row) => Beside::from_query_result(row, ""),
        None => Ok(Beside::default()),
    }
}

//! Reads, for whoever asks: they change nothing. And the one write that finds out whether writes succeed.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QueryTrait, Select,
};
use uuid::Uuid;

use super::{Status, execute, pairs};
use crate::{SourceName, TransactionId, attempt, failure, payload, sql, statement, transaction};

/// The columns of a transaction's row, as [`transaction::Model`] reads them.
pub(super) const COLUMNS: &str = "transactions.id, transactions.source, transactions.transaction_id, type, source_account, \
     destination_account, CAST(amount AS text) AS amount, currency, extra, status, created_at, processed_at";

/// The transaction that a source's sender calls `transaction_id`.
pub async fn find(
    db: &DatabaseConnection,
    source: &SourceName,
    transaction_id: &TransactionId,
) -> Result<Option<transaction::Model>, DbErr> {
    let find = || {
        sql::statement(
            db,
            format!(
                "SELECT {COLUMNS} FROM keys JOIN transactions ON transactions.id = keys.id \
                 WHERE keys.source = $1 AND keys.transaction_id = $2"
            ),
            [source.as_ref().into(), transaction_id.as_ref().into()],
        )
    };
    let rows = statement::look_up(db, find).await?;
    let row = rows.first();
    row.map(|row| transaction::Model::from_query_result(row, ""))
        .transpose()
}

/// What is known of an id for ever, also when its transaction is kept no more.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Known {
    /// The id of its row, kept or not. It begins with when it was received.
    pub id: Uuid,
    pub source: SourceName,
    pub transaction_id: TransactionId,
    /// What has been deleted had been finished.
    pub status: Status,
}

/// What is known of the id `transaction_id` of a source; `None` if it has never come.
pub async fn known(
    db: &DatabaseConnection,
    source: &SourceName,
    transaction_id: &TransactionId,
) -> Result<Option<Known>, DbErr> {
    let known = || {
        sql::statement(
            db,
            "SELECT keys.id, keys.source, keys.transaction_id, \
                    coalesce(status, CASE WHEN failures.id IS NULL THEN 'PROCESSED' ELSE 'FAILED' END) AS status \
             FROM keys LEFT JOIN transactions ON transactions.id = keys.id \
             LEFT JOIN failures ON failures.id = keys.id \
             WHERE keys.source = $1 AND keys.transaction_id = $2",
            [source.as_ref().into(), transaction_id.as_ref().into()],
        )
    };
    let rows = statement::look_up(db, known).await?;
    let row = rows.first();
    row.map(|row| Known::from_query_result(row, "")).transpose()
}

/// The bytes of an event, if they are still kept. The built-in source has none.
pub async fn payload(db: &DatabaseConnection, id: Uuid) -> Result<Option<payload::Model>, DbErr> {
    Ok(all(db, &payload::Entity::find_by_id(id)).await?.pop())
}

/// Where each of these transactions is in its life. An id that names no row is not in the answer.
pub async fn statuses(
    db: &DatabaseConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Status>, DbErr> {
    let statement = sql::statement(
        db,
        format!(
            "SELECT id, status FROM transactions WHERE {}",
            sql::is_one_of_the_ids(db, "id")
        ),
        [sql::ids(db, ids)],
    );
    pairs(db, statement).await
}

/// Whose each of these transactions is. An id that names no row is not in the answer.
pub async fn sources(
    db: &DatabaseConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, SourceName>, DbErr> {
    let select = format!(
        "SELECT id, source FROM transactions WHERE {}",
        sql::is_one_of_the_ids(db, "id")
    );
    pairs(db, sql::statement(db, select, [sql::ids(db, ids)])).await
}

/// The attempts at a transaction whose outcome is known, in their order.
pub async fn attempts(db: &DatabaseConnection, id: Uuid) -> Result<Vec<attempt::Model>, DbErr> {
    let attempts = attempt::Entity::find()
        .filter(attempt::Column::Id.eq(id))
        .order_by_asc(attempt::Column::Number);
    all(db, &attempts).await
}

/// Why a transaction is `FAILED`, if it is.
pub async fn failure(db: &DatabaseConnection, id: Uuid) -> Result<Option<failure::Model>, DbErr> {
    Ok(all(db, &failure::Entity::find_by_id(id)).await?.pop())
}

/// Why these transactions are `FAILED`, those of them that are.
pub async fn failures(
    db: &DatabaseConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, failure::Model>, DbErr> {
    let select = format!(
        "SELECT id, verdict, reason, failed_at, attempts, bulk FROM failures WHERE {}",
        sql::is_one_of_the_ids(db, "id")
    );
    let rows = statement::look_up(db, || sql::statement(db, &select, [sql::ids(db, ids)])).await?;
    let rows = rows.iter().map(|row| {
        let failure = failure::Model::from_query_result(row, "")?;
        Ok((failure.id, failure))
    });
    rows.collect()
}

/// Whether each of these migrations has been applied: the names of those that have.
pub async fn migrations(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let rows = statement::look_up(db, || {
        sql::statement(db, "SELECT version FROM seaql_migrations", [])
    });
    let rows = rows.await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The database's clock: milliseconds since 1970.
pub async fn clock(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let now = format!("SELECT {}", sql::now_millis(db));
    let rows = statement::look_up(db, || sql::statement(db, &now, [])).await?;
    match rows.as_slice() {
        [row] => row.try_get_by_index(0),
        _ => Err(DbErr::RecordNotFound("the time".into())),
    }
}

/// Writes something, and commits it as a webhook would be.
///
/// # Errors
/// Why the database takes no writes just now.
pub async fn try_write(db: &DatabaseConnection) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let write = format!(
        "INSERT INTO probe (id, written_at) VALUES (1, {now}) \
         ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at"
    );
    execute(db, sql::statement(db, write, [])).await?;
    Ok(())
}

pub(super) async fn all<E: EntityTrait>(
    db: &DatabaseConnection,
    select: &Select<E>,
) -> Result<Vec<E::Model>, DbErr> {
    let rows = statement::look_up(db, || select.build(db.get_database_backend())).await?;
    rows.iter()
        .map(|row| E::Model::from_query_result(row, ""))
        .collect()
}

//! Reads, for whoever asks: they change nothing. And the one write that finds out whether writes succeed.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QueryTrait, Select,
};
use uuid::Uuid;

use super::execute;
use crate::{TransactionId, attempt, failure, sql, statement, transaction};

/// The transaction that a sender calls `transaction_id`.
pub async fn find(
    db: &DatabaseConnection,
    transaction_id: &TransactionId,
) -> Result<Option<transaction::Model>, DbErr> {
    let transactions = transaction::Entity::find();
    let this = transaction::Column::TransactionId.eq(transaction_id.as_ref());
    Ok(all(db, &transactions.filter(this)).await?.pop())
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

/// Whether each of these migrations has been applied: the names of those that have.
pub async fn migrations(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let rows = statement::look_up(db, || {
        sql::statement(db, "SELECT version FROM seaql_migrations", [])
    });
    let rows = rows.await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Writes something, and commits it as a webhook would be.
///
/// # Errors
/// Why the database takes no writes just now.
pub async fn try_write(db: &DatabaseConnection) -> Result<(), DbErr> {
    let now = sql::now_millis(db);
    let write = format!(
        "INSERT INTO write_probe (id, written_at) VALUES (1, {now}) \
         ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at"
    );
    execute(db, sql::statement(db, write, [])).await?;
    Ok(())
}

async fn all<E: EntityTrait>(
    db: &DatabaseConnection,
    select: &Select<E>,
) -> Result<Vec<E::Model>, DbErr> {
    let rows = statement::look_up(db, || select.build(db.get_database_backend())).await?;
    rows.iter()
        .map(|row| E::Model::from_query_result(row, ""))
        .collect()
}

//! A transaction's life, statement by statement, in the order in which they happen:
//! [`receive`], [`claim_due`] and [`published`] (the relay's), [`load`] and [`finish`] (the
//! consumer's).
//!
//! Every write carries its precondition and can be repeated: after an error whose outcome is
//! unknown, the same call again does what is left to do.
//!
//! On PostgreSQL each function is one autocommitted statement, so that no pooled connection is ever
//! left inside a transaction (sqlx 0.9.0 can leave one behind when `begin` is cancelled). SQLite has
//! no writing `WITH`, so there the same is a short transaction. Callers must not drop these futures
//! half-way: they belong in long-lived tasks.

use std::{collections::HashMap, time::Duration};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryFilter,
    RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use uuid::Uuid;

use crate::{Status, Webhook, conflict, sql, transaction};

mod receive;

pub use receive::{Receipt, Received, receive};

/// How often a statement is tried when the database says that it lost a race (a deadlock or a
/// serialization failure), which says nothing against the statement itself.
const TRIES_MAX: usize = 5;

/// Takes up to `limit` ids whose time has come and puts their time `again_in` ahead, so that of
/// several relays only one gets each.
pub async fn claim_due(
    db: &DatabaseConnection,
    limit: u32,
    again_in: Duration,
) -> Result<Vec<Uuid>, DbErr> {
    let now = sql::now_millis(db);
    let skip_claimed = match db.get_database_backend() {
        DbBackend::Postgres => "FOR UPDATE SKIP LOCKED",
        _ => "",
    };
    let statement = sql::statement(
        db,
        format!(
            "UPDATE outbox SET due_at = {now} + $1 WHERE id IN \
             (SELECT id FROM outbox WHERE due_at <= {now} LIMIT $2 {skip_claimed}) RETURNING id"
        ),
        [millis(again_in).into(), i64::from(limit).into()],
    );
    returned_ids(db, statement).await
}

/// Makes every unfinished id due at once: for a queue that has forgotten what it held.
pub async fn make_all_due(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_unprepared("UPDATE outbox SET due_at = 0")
        .await?;
    Ok(())
}

/// Notes that the broker has confirmed these ids: the relay looks at them again only `again_in` from
/// now, and only if they are still unfinished then.
pub async fn published(
    db: &DatabaseConnection,
    ids: &[Uuid],
    again_in: Duration,
) -> Result<(), DbErr> {
    let update = format!(
        "UPDATE outbox SET due_at = {} + $2 WHERE {}",
        sql::now_millis(db),
        sql::is_one_of_the_ids(db, "id")
    );
    retrying(|| {
        let values = [sql::ids(db, ids.iter().copied()), millis(again_in).into()];
        db.execute_raw(sql::statement(db, update.as_str(), values))
    })
    .await?;
    Ok(())
}

/// Where each of these transactions is in its life. An id that names no row is not in the answer.
pub async fn load(db: &DatabaseConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Status>, DbErr> {
    let statement = sql::statement(
        db,
        format!(
            "SELECT id, status FROM transactions WHERE {}",
            sql::is_one_of_the_ids(db, "id")
        ),
        [sql::ids(db, ids.iter().copied())],
    );
    db.query_all_raw(statement)
        .await?
        .iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// Marks these transactions `PROCESSED` where they are still `PROCESSING`, and takes them all out of
/// the outbox. Returns the ids that this call finished; the others had been final before.
pub async fn finish(db: &DatabaseConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, DbErr> {
    let these = sql::is_one_of_the_ids(db, "id");
    let ids = || [sql::ids(db, ids.iter().copied())];
    let update = format!(
        "UPDATE transactions SET status = 'PROCESSED', processed_at = {} \
         WHERE {these} AND status = 'PROCESSING' RETURNING id",
        sql::now(db)
    );
    let delete = format!("DELETE FROM outbox WHERE {these}");
    if db.get_database_backend() == DbBackend::Postgres {
        let both =
            format!("WITH done AS ({delete}), finished AS ({update}) SELECT id FROM finished");
        return retrying(|| returned_ids(db, sql::statement(db, both.as_str(), ids()))).await;
    }
    let transaction = db.begin_with_options(immediate()).await?;
    let finished = returned_ids(&transaction, sql::statement(db, update, ids())).await?;
    transaction
        .execute_raw(sql::statement(db, delete, ids()))
        .await?;
    transaction.commit().await?;
    Ok(finished)
}

/// Whether the database refuses the data itself, so that trying again is no use: SQLSTATE class 22
/// (data exception) or 23 (integrity constraint), and SQLite's `SQLITE_CONSTRAINT` or `TOOBIG`.
pub fn refuses_the_data(error: &DbErr) -> bool {
    code(error).is_some_and(|code| match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 18 | 19),
        _ => code.starts_with("22") || code.starts_with("23"),
    })
}

async fn returned_ids(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<Uuid>, DbErr> {
    db.query_all_raw(statement)
        .await?
        .iter()
        .map(|row| row.try_get_by_index(0))
        .collect()
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

/// SQLite: take the write lock at once. A reader that turns writer half-way gets `SQLITE_BUSY`
/// without waiting.
fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

/// The transaction that a sender calls `transaction_id`.
pub async fn find(
    db: &DatabaseConnection,
    transaction_id: &str,
) -> Result<Option<transaction::Model>, DbErr> {
    transaction::Entity::find()
        .filter(transaction::Column::TransactionId.eq(transaction_id))
        .one(db)
        .await
}

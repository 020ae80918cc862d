//! The call of a `PROCESSED` transaction once more, which leaves the transaction as it is.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, Statement};
use uuid::Uuid;

use super::{
    super::{Status, retrying, sql},
    By, audit,
    standing::{HAS_CONTENT, Standing, standing},
};
use crate::statement::{query, query_after};

/// What came of a [`replay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Its call is due, marked as a replay.
    Queued,
    /// It is not `PROCESSED`, but this.
    Not(Status),
    /// It is being replayed already.
    Already,
    /// No row has this id: there never was one, or it has been deleted.
    Unknown,
    /// What downstream would have to be told is no longer stored.
    ContentGone,
}

/// Has the call of a `PROCESSED` transaction made once more, at once.
pub async fn replay(db: &DatabaseConnection, id: Uuid, by: &By) -> Result<Replayed, DbErr> {
    let now = sql::now_millis(db);
    let may = format!(
        "transactions.id = $1 AND status = 'PROCESSED' AND {HAS_CONTENT} \
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.id = $1) \
         AND NOT EXISTS (SELECT 1 FROM retries WHERE retries.id = $1)"
    );
    let entry = "INSERT INTO retries (id, due_at, set_at, attempts, failures, crashes, waits, earlier, replay)";
    let row = format!("id, {now}, {now}, earlier, 0, 0, true, earlier, true");
    let earlier = "coalesce((SELECT max(number) FROM attempts WHERE attempts.id = transactions.id), 0) AS earlier";
    let told = format!(
        "{} SELECT $2, '{}', $3, $4, source, transaction_id, id, 1, NULL",
        audit::INSERT,
        audit::act::REPLAY
    );
    let replay = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH it AS MATERIALIZED (SELECT id, source, transaction_id, {earlier} FROM transactions WHERE {may}), \
             told AS ({told} FROM it) \
             {entry} SELECT {row} FROM it RETURNING id"
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             {told} FROM transactions WHERE {may}; \
             {entry} SELECT {row} FROM (SELECT id, {earlier} FROM transactions WHERE {may}) AS it RETURNING id; \
             COMMIT"
        ),
    };
    let line = Uuid::now_v7();
    let rows = retrying(|| async {
        let values = std::iter::once(id.into()).chain(audit::line(line, by));
        let replay = sql::statement(db, replay.as_str(), values);
        match db.get_database_backend() {
            // Of two who want the same the second looks only after the first has committed: whoever has only waited for a
            // row would still see the other tables as they were before.
            DbBackend::Postgres => query_after(db, lock(db, id), replay).await,
            _ => query(db, replay).await,
        }
    })
    .await?;
    if !rows.is_empty() {
        return Ok(Replayed::Queued);
    }
    Ok(match standing(db, id).await? {
        Standing::Unknown => Replayed::Unknown,
        Standing::Gone => Replayed::Not(Status::Failed),
        Standing::There {
            status: Status::Processed,
            has_content: false,
            ..
        } => Replayed::ContentGone,
        // It was, at least: it may just have ended.
        Standing::There {
            status: Status::Processed,
            ..
        } => Replayed::Already,
        Standing::There { status, .. } => Replayed::Not(status),
    })
}

fn lock(db: &DatabaseConnection, id: Uuid) -> Statement {
    let lock = "SELECT id FROM transactions WHERE id = $1 FOR NO KEY UPDATE";
    sql::statement(db, lock, [id.into()])
}

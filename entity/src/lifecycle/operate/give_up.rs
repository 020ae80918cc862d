//! `PROCESSING → FAILED`, because an operator says so: for what nobody works on just now.

use sea_orm::{ActiveEnum as _, DatabaseConnection, DbBackend, DbErr};
use uuid::Uuid;

use super::{
    super::{Status, lease, query, retrying, sql},
    By, audit,
    standing::{Standing, standing},
};
use crate::Verdict;

/// What came of a [`give_up`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It is `FAILED`.
    Failed,
    /// It stays `PROCESSED`, and its call is not repeated any more.
    ReplayEnded,
    /// It is not `PROCESSING`, but this, and is not being replayed.
    Not(Status),
    /// A consumer is working on it, or may be: nothing is changed.
    InHand,
    /// No row has this id: there never was one, or it has been deleted.
    Unknown,
}

/// Ends a transaction that is `PROCESSING`, or a replay, unless a living consumer has it in its hands. In the database of an
/// only process, which does not say what it has in its hands, only what waits in `retries` can be ended.
pub async fn give_up(db: &DatabaseConnection, id: Uuid, by: &By) -> Result<GivenUp, DbErr> {
    let verdict = Verdict::GivenUp.to_value();
    let told = format!(
        "{} SELECT $2, '{}', $3, $4, source, transaction_id, entry.id, 1, NULL \
         FROM entry LEFT JOIN transactions ON transactions.id = $1",
        audit::INSERT,
        audit::act::GIVE_UP
    );
    let failed = format!(
        "INSERT INTO failures (id, verdict, reason, attempts, bulk) \
         SELECT id, '{verdict}', $4, attempts + crashes, bulk FROM entry WHERE NOT replay"
    );
    let end = "UPDATE transactions SET status = 'FAILED' WHERE id = $1 AND status = 'PROCESSING' \
               AND EXISTS (SELECT 1 FROM entry WHERE NOT replay)";
    let give_up = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "WITH waiting AS (DELETE FROM retries WHERE id = $1 RETURNING id, attempts, crashes, replay, bulk), \
             queued AS (DELETE FROM outbox WHERE id = $1 AND {} \
               RETURNING id, attempts, {} AS crashes, replay, bulk), \
             entry AS (SELECT * FROM waiting UNION ALL SELECT * FROM queued), \
             failed AS ({failed}), ended AS ({end}), told AS ({told}) \
             SELECT replay FROM entry",
            lease::is_free(),
            lease::DEATHS
        ),
        _ => format!(
            "BEGIN IMMEDIATE; \
             CREATE TEMPORARY TABLE entry AS SELECT id, attempts, crashes, replay, bulk FROM retries WHERE id = $1; \
             {failed}; {end}; {told}; \
             DROP TABLE entry; \
             DELETE FROM retries WHERE id = $1 RETURNING replay; \
             COMMIT"
        ),
    };
    let line = Uuid::now_v7();
    let rows = retrying(|| {
        let values = std::iter::once(id.into()).chain(audit::line(line, by));
        query(db, sql::statement(db, give_up.as_str(), values))
    })
    .await?;
    if let Some(row) = rows.first() {
        return Ok(match row.try_get_by_index(0)? {
            true => GivenUp::ReplayEnded,
            false => GivenUp::Failed,
        });
    }
    Ok(match standing(db, id).await? {
        Standing::Unknown => GivenUp::Unknown,
        Standing::Gone => GivenUp::Not(Status::Failed),
        Standing::There {
            has_entry: true, ..
        }
        | Standing::There {
            status: Status::Processing,
            ..
        } => GivenUp::InHand,
        Standing::There { status, .. } => GivenUp::Not(status),
    })
}

//! `FAILED → PROCESSING`: one transaction, because an operator says so.

use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use super::{
    super::{Status, count_of, retrying, sql},
    By, audit,
    reopen::Reopening,
    standing::{Standing, standing},
};

/// How often it is tried where the transaction has changed between the statement and the look at why that did nothing.
const TRIES_MAX: usize = 3;

/// What came of a [`retry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is `PROCESSING` again, and due.
    Reopened,
    /// It is not `FAILED`, but this.
    Not(Status),
    /// No row has this id: there never was one, or it has been deleted.
    Unknown,
    /// It is `FAILED`, and what downstream would have to be told is no longer stored.
    ContentGone,
}

/// Reopens a transaction that is `FAILED`: it is due at once, its schedule begins anew, its attempts are counted on.
pub async fn retry(db: &DatabaseConnection, id: Uuid, by: &By) -> Result<Retried, DbErr> {
    let told = format!(
        "{} SELECT $2, '{}', $3, $4, source, transaction_id, id, 1, former FROM gone",
        audit::INSERT,
        audit::act::RETRY
    );
    let reopening = Reopening {
        and: "true",
        bulk: "NULL",
        before: "",
        with: &told,
    };
    let reopen = reopening.statement(db);
    let line = Uuid::now_v7();
    let mut last = Retried::Unknown;
    for _ in 0..TRIES_MAX {
        let reopened = retrying(|| {
            let values = std::iter::once(sql::ids(db, [id])).chain(audit::line(line, by));
            count_of(db, sql::statement(db, reopen.as_str(), values))
        })
        .await?;
        if reopened > 0 {
            return Ok(Retried::Reopened);
        }
        last = match standing(db, id).await? {
            Standing::Unknown => Retried::Unknown,
            Standing::Gone => Retried::ContentGone,
            Standing::There {
                status: Status::Failed,
                has_content,
                ..
            } => match has_content {
                // It has failed only now, or once more.
                true => {
                    last = Retried::Not(Status::Processing);
                    continue;
                }
                false => Retried::ContentGone,
            },
            Standing::There { status, .. } => Retried::Not(status),
        };
        break;
    }
    Ok(last)
}

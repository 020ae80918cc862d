//! What has happened, for whoever follows it: what was accepted, and what finished and failed and was done by operators since.
//!
//! Nothing is written for it, and no index is kept for it but that of failures by their time. So it is told a moment later, when
//! everything of that moment has been committed: a row is known by a time that is earlier than its commit.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Range, failed::Failed, read::COLUMNS, sql};
use crate::{SourceName, TransactionId, statement::look_up, transaction};

/// Rows that one statement reads.
pub const PORTION: usize = 1_000;
/// Failures that one statement reads: more than share one time, as those of one statement do.
const FAILURES_MAX: usize = 10_000;

/// What an operator has done.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Act {
    pub id: Uuid,
    pub act: String,
    pub who: String,
    pub reason: String,
    pub source: Option<SourceName>,
    pub transaction_id: Option<TransactionId>,
    /// The row's id of the transaction that it was about, or what else it was about.
    pub subject: Option<Uuid>,
    pub count: i64,
    /// By the database's clock.
    pub acted_at: OffsetDateTime,
}

/// Milliseconds since 1970 by the database's clock.
pub async fn clock(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let now = format!("SELECT {}", sql::now_millis(db));
    let rows = look_up(db, || sql::statement(db, &now, [])).await?;
    match rows.as_slice() {
        [row] => row.try_get_by_index(0),
        _ => Err(DbErr::RecordNotFound("the time".into())),
    }
}

/// The first transactions of `range`, the oldest first, [`PORTION`] at most.
pub async fn accepted(
    db: &DatabaseConnection,
    range: Range,
) -> Result<Vec<transaction::Model>, DbErr> {
    let select = format!(
        "SELECT {COLUMNS} FROM transactions WHERE id >= $1 AND id < $2 ORDER BY id LIMIT {PORTION}"
    );
    let values = [range.from.into(), range.to.into()];
    let rows = look_up(db, || sql::statement(db, &select, values.clone())).await?;
    let rows = rows.iter();
    rows.map(|row| transaction::Model::from_query_result(row, ""))
        .collect()
}

/// Those of these transactions that are final.
pub async fn finished(
    db: &DatabaseConnection,
    ids: &[Uuid],
) -> Result<Vec<transaction::Model>, DbErr> {
    let select = format!(
        "SELECT {COLUMNS} FROM transactions WHERE {} AND status <> 'PROCESSING'",
        sql::is_one_of_the_ids(db, "id")
    );
    let rows = look_up(db, || sql::statement(db, &select, [sql::ids(db, ids)])).await?;
    let rows = rows.iter();
    rows.map(|row| transaction::Model::from_query_result(row, ""))
        .collect()
}

/// What failed from one time on and before another, both in milliseconds since 1970 by the database's clock, in that order.
/// Returns up to when that is all: `to`, or earlier if there was more than is read at once.
pub async fn failed(
    db: &DatabaseConnection,
    from: i64,
    to: i64,
) -> Result<(Vec<Failed>, i64), DbErr> {
    let (time, row) = match db.get_database_backend() {
        DbBackend::Postgres => (
            "to_timestamp($N / 1000.0)",
            "LEFT JOIN LATERAL (SELECT source, transaction_id FROM transactions \
               WHERE transactions.id = entries.id OFFSET 0) AS transactions ON true",
        ),
        _ => (
            "strftime('%Y-%m-%dT%H:%M:%fZ', $N / 1000.0, 'unixepoch')",
            "LEFT JOIN transactions ON transactions.id = entries.id",
        ),
    };
    let [since, before] = ["$1", "$2"].map(|n| time.replace("$N", n));
    let select = format!(
        "SELECT entries.id, verdict, reason, failed_at, source, transaction_id, \
                (SELECT status FROM attempts WHERE attempts.id = entries.id ORDER BY number DESC LIMIT 1) AS status \
         FROM (SELECT id, verdict, reason, failed_at FROM failures WHERE failed_at >= {since} AND failed_at < {before} \
               ORDER BY failed_at LIMIT {FAILURES_MAX}) AS entries {row} ORDER BY failed_at"
    );
    let values = [from.into(), to.into()];
    let rows = look_up(db, || sql::statement(db, &select, values.clone())).await?;
    let rows = rows.iter();
    let failed = rows.map(|row| Failed::from_query_result(row, ""));
    let mut failed = failed.collect::<Result<Vec<_>, _>>()?;
    let Some(last) = failed.last().filter(|_| failed.len() >= FAILURES_MAX) else {
        return Ok((failed, to));
    };
    // Others of the last one's time may be left.
    let end = millis_of(last.failed_at);
    match failed.iter().any(|one| millis_of(one.failed_at) < end) {
        true => failed.retain(|one| millis_of(one.failed_at) < end),
        false => return Ok((failed, end + 1)),
    }
    Ok((failed, end))
}

/// The first acts of operators in `range`, the oldest first, [`PORTION`] at most.
pub async fn acts(db: &DatabaseConnection, range: Range) -> Result<Vec<Act>, DbErr> {
    let select = format!(
        "SELECT id, act, who, reason, source, transaction_id, subject, count, acted_at FROM audit \
         WHERE id >= $1 AND id < $2 ORDER BY id LIMIT {PORTION}"
    );
    let values = [range.from.into(), range.to.into()];
    let rows = look_up(db, || sql::statement(db, &select, values.clone())).await?;
    let rows = rows.iter();
    rows.map(|row| Act::from_query_result(row, "")).collect()
}

fn millis_of(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

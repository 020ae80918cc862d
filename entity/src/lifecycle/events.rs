//! What has happened, for whoever follows it: what was accepted, and what finished and failed and was done by operators since.
//!
//! Nothing is written for it, and no index is kept for it but that of failures by their time. So it is told a moment later, when
//! everything of that moment has been committed: a row is known by a time that is earlier than its commit.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Range,
    failed::{self, Failed},
    read::{COLUMNS, all},
    sql,
};
use crate::{audit, statement::look_up, transaction};

/// Rows that one statement reads.
pub const PORTION: usize = 1_000;
/// Failures that one statement reads: more than share one time, as those of one statement do.
const FAILURES_MAX: usize = 10_000;

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
    let [since, before] = [1, 2].map(|parameter| sql::time_of(db, parameter));
    let mut failed = failed::select(
        db,
        &format!("failed_at >= {since} AND failed_at < {before} ORDER BY failed_at"),
        "failed_at",
        (FAILURES_MAX, 0),
        [from.into(), to.into()],
    )
    .await?;
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
pub async fn acts(db: &DatabaseConnection, range: Range) -> Result<Vec<audit::Model>, DbErr> {
    let acts = audit::Entity::find()
        .filter(audit::Column::Id.gte(range.from))
        .filter(audit::Column::Id.lt(range.to))
        .order_by_asc(audit::Column::Id)
        .limit(PORTION as u64);
    all(db, &acts).await
}

fn millis_of(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

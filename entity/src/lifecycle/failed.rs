//! What has failed and why, for whoever counts reasons.

use sea_orm::{DatabaseConnection, DbBackend, DbErr, FromQueryResult, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Range, sql};
use crate::{SourceName, TransactionId, Verdict, statement::look_up};

/// Failures that one statement reads.
pub const PORTION: usize = 1_000;

/// A `FAILED` transaction.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Failed {
    /// The transaction's row id.
    pub id: Uuid,
    pub verdict: Verdict,
    /// For people.
    pub reason: String,
    /// By the database's clock.
    pub failed_at: OffsetDateTime,
    /// The HTTP status of downstream's last answer, if its last attempt had one.
    pub status: Option<i32>,
    /// Whose it is. `None`, as the id below, if its row is kept no more.
    pub source: Option<SourceName>,
    pub transaction_id: Option<TransactionId>,
}

/// What has failed since `from`, and until `to`, in milliseconds since 1970 by the database's clock: [`PORTION`] of them at
/// most, beyond so many portions.
pub async fn failed_between(
    db: &DatabaseConnection,
    (from, to): (i64, i64),
    portions: usize,
) -> Result<Vec<Failed>, DbErr> {
    let [since, until] = [1, 2].map(|parameter| sql::time_of(db, parameter));
    select(
        db,
        &format!("failed_at > {since} AND failed_at <= {until} ORDER BY failed_at, id"),
        "entries.failed_at, entries.id",
        (PORTION, portions * PORTION),
        [from.into(), to.into()],
    )
    .await
}

/// Failures of `range`, those received last before all others, [`PORTION`] at most.
pub async fn failed(db: &DatabaseConnection, range: Range) -> Result<Vec<Failed>, DbErr> {
    select(
        db,
        "id >= $1 AND id < $2 ORDER BY id DESC",
        "entries.id DESC",
        (PORTION, 0),
        [range.from.into(), range.to.into()],
    )
    .await
}

pub(super) async fn select(
    db: &DatabaseConnection,
    which: &str,
    order: &str,
    (limit, offset): (usize, usize),
    values: [Value; 2],
) -> Result<Vec<Failed>, DbErr> {
    let row = match db.get_database_backend() {
        DbBackend::Postgres => {
            "LEFT JOIN LATERAL (SELECT source, transaction_id FROM transactions \
               WHERE transactions.id = entries.id OFFSET 0) AS transactions ON true"
        }
        _ => "LEFT JOIN transactions ON transactions.id = entries.id",
    };
    let select = format!(
        "SELECT entries.id, verdict, reason, failed_at, source, transaction_id, \
                (SELECT status FROM attempts WHERE attempts.id = entries.id ORDER BY number DESC LIMIT 1) AS status \
         FROM (SELECT id, verdict, reason, failed_at FROM failures WHERE {which} LIMIT {limit} OFFSET {offset}) AS entries \
         {row} ORDER BY {order}"
    );
    let rows = look_up(db, || sql::statement(db, &select, values.clone())).await?;
    let rows = rows.iter();
    rows.map(|row| Failed::from_query_result(row, "")).collect()
}

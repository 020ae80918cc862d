//! Where one transaction is, for whoever looks after it.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use super::{operate::pause::PARKED, read::all, sql};
use crate::{SourceName, TransactionId, conflict, statement::look_up};

/// Conflicts of one transaction that are read.
pub const CONFLICTS_MAX: u64 = 100;

/// Where an unfinished transaction is. Times are milliseconds from now on, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Place {
    /// In `retries`: it certainly is not in the queue. Otherwise it is in `outbox`.
    pub in_retries: bool,
    /// When the relay hands it to the queue (again).
    pub due_in_ms: i64,
    /// The consumer that has it in flight.
    pub holder: Option<Uuid>,
    /// How long that one's lease runs; negative if it is over.
    pub lease_left_ms: Option<i64>,
    /// Attempts whose end is known.
    pub attempts: i32,
    /// Those of them that moved it along its schedule.
    pub failures: i32,
    /// Consumers that have died with it in flight.
    pub crashes: i32,
    /// Its source is paused, or was until just now: then `due_in_ms` says nothing.
    pub parked: bool,
    /// It is `PROCESSED`, and its call is repeated.
    pub replay: bool,
}

/// Where a transaction is; `None` if it is final and is not being replayed.
pub async fn place(db: &DatabaseConnection, id: Uuid) -> Result<Option<Place>, DbErr> {
    let now = sql::now_millis(db);
    // One statement: between two it could move from the one to the other.
    let select = format!(
        "SELECT FALSE AS in_retries, due_at - {now} AS due_in_ms, holder, \
                CASE WHEN dead THEN 0 ELSE alive_until - {now} END AS lease_left_ms, attempts, failures, crashes, \
                FALSE AS parked, replay \
         FROM outbox LEFT JOIN consumers ON consumers.id = outbox.holder WHERE outbox.id = $1 \
         UNION ALL \
         SELECT TRUE, due_at - {now}, NULL, NULL, attempts, failures, crashes, due_at >= {PARKED}, replay \
         FROM retries WHERE id = $1"
    );
    let rows = look_up(db, || sql::statement(db, &select, [id.into()])).await?;
    let row = rows.first();
    row.map(|row| Place::from_query_result(row, "")).transpose()
}

/// What came under a transaction's id with other content: the first ones, [`CONFLICTS_MAX`] at most.
pub async fn conflicts(
    db: &DatabaseConnection,
    source: &SourceName,
    transaction_id: &TransactionId,
) -> Result<Vec<conflict::Model>, DbErr> {
    let conflicts = conflict::Entity::find()
        .filter(conflict::Column::TransactionId.eq(transaction_id.clone()))
        .filter(conflict::Column::Source.eq(source.clone()))
        .order_by_asc(conflict::Column::ReceivedAt)
        .limit(CONFLICTS_MAX);
    all(db, &conflicts).await
}

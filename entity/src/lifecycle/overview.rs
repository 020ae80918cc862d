//! How the whole is, for whoever looks after it. Each look reads a bounded number of entries.

use sea_orm::{DatabaseConnection, DbErr, FromQueryResult, QueryResult};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{operate::pause::PARKED, sql};
use crate::{SourceName, statement::look_up};

/// Entries of a table that are counted.
pub const COUNTED_MAX: u64 = 10_000;
/// Transactions among which each source's last one is looked for.
pub const SOURCES_AMONG: u64 = 20_000;
/// Consumers and sources that are told.
const TOLD_MAX: u64 = 1_000;

/// What is unfinished and what has failed. A count of more than [`COUNTED_MAX`] means: more than that.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Counts {
    pub outbox: i64,
    pub retries: i64,
    pub failures: i64,
    /// For how long the entry of `retries` that was due first has been due, in milliseconds; negative if it is not yet.
    /// What is parked is not meant.
    pub retries_overdue_ms: Option<i64>,
    /// The same of the outbox's oldest [`COUNTED_MAX`] entries.
    pub outbox_overdue_ms: Option<i64>,
}

/// A consumer's lease.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Consumer {
    pub id: Uuid,
    /// How long its lease runs, in milliseconds, by the database's clock; negative if it is over.
    pub lease_left_ms: i64,
    /// Whether its process has the queue inside it.
    pub embedded: bool,
    /// Another consumer has seen no renewal.
    pub dead: bool,
}

/// A source that has ever sent anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub source: SourceName,
    /// Its last among the newest [`SOURCES_AMONG`] transactions: when it was committed, by the database's clock.
    pub last: Option<OffsetDateTime>,
    /// How many of those are its own.
    pub among: i64,
}

pub async fn counts(db: &DatabaseConnection) -> Result<Counts, DbErr> {
    let now = sql::now_millis(db);
    let limit = COUNTED_MAX + 1;
    let count =
        |table| format!("(SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {limit}) AS entries)");
    let select = format!(
        "SELECT {} AS outbox, {} AS retries, {} AS failures, \
                {now} - (SELECT min(due_at) FROM retries WHERE due_at < {PARKED}) AS retries_overdue_ms, \
                {now} - (SELECT min(due_at) FROM (SELECT due_at FROM outbox ORDER BY id LIMIT {COUNTED_MAX}) AS entries) \
                  AS outbox_overdue_ms",
        count("outbox"),
        count("retries"),
        count("failures")
    );
    let rows = select_all(db, &select).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbErr::RecordNotFound("counts".into()))?;
    Counts::from_query_result(row, "")
}

/// The consumers that have not ended their leases themselves.
pub async fn consumers(db: &DatabaseConnection) -> Result<Vec<Consumer>, DbErr> {
    let select = format!(
        "SELECT id, alive_until - {} AS lease_left_ms, embedded, dead FROM consumers WHERE NOT ended \
         ORDER BY id LIMIT {TOLD_MAX}",
        sql::now_millis(db)
    );
    let rows = select_all(db, &select).await?;
    let rows = rows.iter();
    rows.map(|row| Consumer::from_query_result(row, ""))
        .collect()
}

/// The sources that have ever sent anything, by name.
pub async fn sources(db: &DatabaseConnection) -> Result<Vec<Seen>, DbErr> {
    // From name to name, each by one look at the index of `keys`.
    let select = format!(
        "WITH RECURSIVE names (name) AS ( \
           SELECT (SELECT source FROM keys ORDER BY source LIMIT 1) \
           UNION ALL \
           SELECT (SELECT source FROM keys WHERE source > names.name ORDER BY source LIMIT 1) \
           FROM names WHERE names.name IS NOT NULL), \
         newest AS (SELECT source, max(created_at) AS last, count(*) AS among \
           FROM (SELECT source, created_at FROM transactions ORDER BY id DESC LIMIT {SOURCES_AMONG}) AS entries \
           GROUP BY source) \
         SELECT name, last, coalesce(among, 0) AS among FROM names LEFT JOIN newest ON newest.source = names.name \
         WHERE name IS NOT NULL ORDER BY name LIMIT {TOLD_MAX}"
    );
    let rows = select_all(db, &select).await?;
    let rows = rows.iter().map(|row| {
        Ok(Seen {
            source: row.try_get_by("name")?,
            last: row.try_get_by("last")?,
            among: row.try_get_by("among")?,
        })
    });
    rows.collect()
}

async fn select_all(db: &DatabaseConnection, select: &str) -> Result<Vec<QueryResult>, DbErr> {
    look_up(db, || sql::statement(db, select, [])).await
}

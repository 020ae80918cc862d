//! The partitions of `transactions` and `payloads`, one a month, on PostgreSQL. The ids begin with their milliseconds since
//! 1970, so a range of ids is a span of time. SQLite has none.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{query, sql};

/// So far ahead there is always a partition.
pub const AHEAD: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Makes the partitions of this month and of the one that begins within [`AHEAD`], if they are not there. Returns whether
/// one was made.
pub async fn make_ahead(db: &DatabaseConnection) -> Result<bool, DbErr> {
    let now = OffsetDateTime::now_utc();
    make(db, [now, now + AHEAD]).await
}

/// Makes the partitions that these ids belong to: an id has the time of whoever made it, whose clock may be wrong.
pub(super) async fn make_for(
    db: &DatabaseConnection,
    ids: impl Iterator<Item = Uuid>,
) -> Result<bool, DbErr> {
    let times = ids.filter_map(|id| {
        let (secs, _) = id.get_timestamp()?.to_unix();
        OffsetDateTime::from_unix_timestamp(secs.try_into().ok()?).ok()
    });
    let mut months: Vec<OffsetDateTime> = times.collect();
    months.sort();
    months.dedup_by_key(|time| (time.year(), time.month()));
    make(db, months).await
}

async fn make(
    db: &DatabaseConnection,
    months: impl IntoIterator<Item = OffsetDateTime>,
) -> Result<bool, DbErr> {
    let mut any = false;
    if db.get_database_backend() == DbBackend::Postgres {
        for month in months {
            // It belongs to the tables' owner and works as that, so whoever may write need not be allowed to create.
            let make = sql::statement(db, "SELECT hookline_make_partitions($1)", [month.into()]);
            let rows = query(db, make).await?;
            any |= match rows.first() {
                Some(row) => row.try_get_by_index::<bool>(0)?,
                None => false,
            };
        }
    }
    Ok(any)
}

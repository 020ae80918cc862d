//! What is deleted when it has been kept for long enough: on PostgreSQL whole [`months`] of transactions and payloads, and
//! [`rows`] of everything else. Nothing of a transaction whose work is unfinished goes, whatever its age, and its id (`keys`) and
//! why it failed (`failures`) are kept for ever.

pub mod months;
pub mod rows;

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    execute,
    list::first_id,
    operate::{
        By,
        audit::{INSERT, act, line},
    },
    read::clock,
    sql,
};

/// For how long things are kept; `None` is for ever. What is older than that goes, by when the transaction was received (attempts,
/// payloads, and itself), when it came (conflicts, refusals), or when it was done (the audit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub payloads: Option<Duration>,
    pub transactions: Option<Duration>,
    pub attempts: Option<Duration>,
    pub conflicts: Option<Duration>,
    pub refusals: Option<Duration>,
    pub audit: Option<Duration>,
}

/// What retention deletes of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Payloads,
    Attempts,
    Transactions,
    /// How often known ids came again: goes with their transactions.
    Repeats,
    Conflicts,
    Audit,
}

impl Table {
    /// In the order in which they are looked after: a transaction goes after what belongs to it.
    pub const ALL: [Self; 6] = [
        Self::Payloads,
        Self::Attempts,
        Self::Transactions,
        Self::Repeats,
        Self::Conflicts,
        Self::Audit,
    ];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payloads => "payloads",
            Self::Attempts => "attempts",
            Self::Transactions => "transactions",
            Self::Repeats => "repeats",
            Self::Conflicts => "conflicts",
            Self::Audit => "audit",
        }
    }

    /// For how long its rows are kept: those of a transaction never longer than itself.
    pub fn limit(self, limits: &Limits) -> Option<Duration> {
        let with = |limit: Option<Duration>| match (limit, limits.transactions) {
            (Some(limit), Some(transactions)) => Some(limit.min(transactions)),
            (limit, transactions) => limit.or(transactions),
        };
        match self {
            Self::Payloads => with(limits.payloads),
            Self::Attempts => with(limits.attempts),
            Self::Transactions | Self::Repeats => limits.transactions,
            Self::Conflicts => limits.conflicts,
            Self::Audit => limits.audit,
        }
    }

    /// Whether it goes by whole months.
    pub fn has_months(self, db: &DatabaseConnection) -> bool {
        let is_partitioned = matches!(self, Self::Payloads | Self::Transactions);
        is_partitioned && db.get_database_backend() == DbBackend::Postgres
    }
}

/// A time before which things are old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    pub time: OffsetDateTime,
    /// What was received before that time has a lower id.
    pub id: Uuid,
}

impl Before {
    pub fn new(time: OffsetDateTime) -> Self {
        Self {
            time,
            id: first_id(time),
        }
    }
}

/// Notes in the audit that an operator has had everything deleted that is old by now, about so many `rows`: before it begins,
/// for it is done statement by statement.
pub async fn ordered(db: &DatabaseConnection, rows: u64, by: &By) -> Result<(), DbErr> {
    let insert = format!(
        "{INSERT} VALUES ($1, '{}', $2, $3, NULL, NULL, NULL, $4, NULL)",
        act::RETENTION
    );
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let mut values = line(Uuid::now_v7(), by).to_vec();
    values.push(rows.into());
    execute(db, sql::statement(db, insert, values)).await?;
    Ok(())
}

/// What the database's clock shows.
pub async fn now(db: &DatabaseConnection) -> Result<OffsetDateTime, DbErr> {
    let nanos = i128::from(clock(db).await?) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|error| DbErr::Type(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_transaction_is_kept_no_longer_than_itself() {
        let day = Duration::from_secs(24 * 60 * 60);
        let mut limits = Limits {
            payloads: Some(day * 30),
            ..Limits::default()
        };
        assert_eq!(Table::Payloads.limit(&limits), Some(day * 30));
        assert_eq!(Table::Attempts.limit(&limits), None);
        limits.transactions = Some(day * 7);
        for table in [Table::Payloads, Table::Attempts, Table::Repeats] {
            assert_eq!(table.limit(&limits), Some(day * 7), "{table:?}");
        }
        assert_eq!(Table::Conflicts.limit(&limits), None);
    }
}

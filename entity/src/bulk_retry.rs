//! The table `bulk_retries`: retries of all failed transactions that match a filter, at a rate.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// Whether a bulk retry goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(10))")]
pub enum State {
    #[sea_orm(string_value = "RUNNING")]
    Running,
    /// An operator has stopped it for now.
    #[sea_orm(string_value = "PAUSED")]
    Paused,
    /// An operator has ended it. Final.
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
    /// It has come by everything that matched. Final.
    #[sea_orm(string_value = "DONE")]
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_retries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// A [`Filter`](crate::lifecycle::operate::bulk::Filter) as JSON.
    pub filter: String,
    /// Transactions a second.
    pub rate: i32,
    pub state: State,
    pub who: String,
    pub reason: String,
    /// How many matched when it began.
    pub matched: i64,
    /// How many it has reopened.
    pub retried: i64,
    /// How many it has come by that were not to be reopened: others had done that, or their content is gone.
    pub passed_over: i64,
    /// How many of those it has reopened failed and were reopened by somebody else since.
    pub retried_again: i64,
    /// It has come by everything below this row id.
    pub next_id: Uuid,
    /// Only what had failed before is meant: what fails again is not retried again.
    pub failed_before: OffsetDateTime,
    /// When its next portion is due: milliseconds since 1970 by the database's clock.
    pub next_at: i64,
    pub created_at: OffsetDateTime,
    /// When it was done or cancelled.
    pub ended_at: Option<OffsetDateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

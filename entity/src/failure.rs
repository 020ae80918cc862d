//! The table `failures`: why a transaction is `FAILED`.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// Why the work was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(10))")]
pub enum Verdict {
    /// Downstream has refused it for good.
    #[sea_orm(string_value = "PERMANENT")]
    Permanent,
    /// The last attempt of the schedule has failed.
    #[sea_orm(string_value = "EXHAUSTED")]
    Exhausted,
    /// It killed or panicked its consumer again and again.
    #[sea_orm(string_value = "POISON")]
    Poison,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "failures")]
pub struct Model {
    /// The id of the row in `transactions`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub verdict: Verdict,
    /// For people.
    pub reason: String,
    /// By the database's clock.
    pub failed_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

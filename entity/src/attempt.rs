//! The table `attempts`: what came of each call to downstream, for whoever asks why.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(10))")]
pub enum Outcome {
    /// The work is done.
    #[sea_orm(string_value = "SUCCEEDED")]
    Succeeded,
    /// Downstream has refused it for good: the same again would be refused again.
    #[sea_orm(string_value = "REFUSED")]
    Refused,
    /// It may succeed another time.
    #[sea_orm(string_value = "FAILED")]
    Failed,
    /// The work panicked, which is a defect of ours.
    #[sea_orm(string_value = "PANICKED")]
    Panicked,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub struct Model {
    /// The id of the row in `transactions`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// 1 for the first. Attempts that ended with the death of their consumer count, and have no row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    /// When it began, by the consumer's clock.
    pub started_at: OffsetDateTime,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    pub outcome: Outcome,
    /// The HTTP status that downstream answered with, if it did.
    pub status: Option<i32>,
    /// What went wrong, in a few words.
    pub error: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

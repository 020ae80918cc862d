//! The table `pauses`: what is not processed for the time being.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pauses")]
pub struct Model {
    /// A source's name, or [`ALL`](crate::lifecycle::operate::pause::ALL).
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    /// When it ends by itself: milliseconds since 1970 by the database's clock.
    pub until: Option<i64>,
    pub who: String,
    pub reason: String,
    pub since: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! The table `payloads`: an event's bytes as they came, for each source but the built-in one.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payloads")]
pub struct Model {
    /// The id of the row in `transactions`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub content_type: Option<String>,
    /// The headers that are kept: a JSON object of texts.
    pub headers: Option<String>,
    pub body: Vec<u8>,
    /// The sender's time.
    pub sent_at: Option<OffsetDateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

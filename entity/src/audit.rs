//! The table `audit`: what operators have done, each line committed with its effect.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::{SourceName, TransactionId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// UUID version 7: the audit is read in the order of its ids.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What, in a word: see [`act`](crate::lifecycle::operate::audit::act).
    pub act: String,
    /// The token's name, or the command line's user.
    pub who: String,
    pub reason: String,
    /// The source that it was about. `None` if it was about all, or none.
    pub source: Option<SourceName>,
    /// The transaction that it was about, as its sender calls it.
    pub transaction_id: Option<TransactionId>,
    /// That transaction's row id, or the bulk retry's.
    pub subject: Option<Uuid>,
    /// How many transactions it was about.
    pub count: i64,
    /// What else there is to know: a JSON object.
    pub detail: Option<String>,
    /// By the database's clock.
    pub acted_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

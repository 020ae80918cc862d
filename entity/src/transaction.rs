//! The table `transactions`: one row per event, written once and finished once. Which id is whose, `keys` says.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::{Account, Amount, Currency, EventType, SourceName, TransactionId};

/// Where a transaction is in its life. It goes forward, and back only from `FAILED`, by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(10))")]
pub enum Status {
    /// Committed, and its work is not done yet.
    #[sea_orm(string_value = "PROCESSING")]
    Processing,
    /// The work is done. Final.
    #[sea_orm(string_value = "PROCESSED")]
    Processed,
    /// The work was given up. Final, unless an operator [reopens](crate::lifecycle::operate::retry()) it.
    #[sea_orm(string_value = "FAILED")]
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transactions")]
pub struct Model {
    /// The row's id, made by the receiver (UUID version 7). This is what travels through the queue.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub source: SourceName,
    pub transaction_id: TransactionId,
    /// The sender's word for what has happened.
    #[sea_orm(column_name = "type")]
    pub kind: Option<EventType>,
    pub source_account: Option<Account>,
    pub destination_account: Option<Account>,
    #[sea_orm(column_type = "Text", nullable, select_as = "text")]
    pub amount: Option<Amount>,
    pub currency: Option<Currency>,
    /// The built-in source's members beyond its five: a JSON object.
    pub extra: Option<String>,
    pub status: Status,
    /// When it was committed, by the database's clock.
    pub created_at: OffsetDateTime,
    /// When its work was done; `None` unless it is `PROCESSED`.
    pub processed_at: Option<OffsetDateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

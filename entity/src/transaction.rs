//! The table `transactions`: one row per `transaction_id`, written once and finished once.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::Amount;

/// What a sender says about one transaction. Field by field it decides whether a repeated webhook
/// says the same again or something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The sender's own id: 1 to 255 characters, none of them a control character.
    pub transaction_id: String,
    /// The paying account, same limits.
    pub source_account: String,
    /// The receiving account, same limits.
    pub destination_account: String,
    /// How much.
    pub amount: Amount,
    /// Three capital letters (ISO 4217).
    pub currency: String,
}

/// Where a transaction is in its life. Goes forward once and never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(10))")]
pub enum Status {
    /// Committed, and its work is not done yet.
    #[sea_orm(string_value = "PROCESSING")]
    Processing,
    /// The work is done. Final.
    #[sea_orm(string_value = "PROCESSED")]
    Processed,
    /// The work was given up. Final.
    #[sea_orm(string_value = "FAILED")]
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transactions")]
pub struct Model {
    /// The row's id, made by the receiver (UUID version 7). This is what travels through the queue.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(unique)]
    pub transaction_id: String,
    pub source_account: String,
    pub destination_account: String,
    #[sea_orm(column_type = "Text", select_as = "text")]
    pub amount: Amount,
    pub currency: String,
    pub status: Status,
    /// When it was committed, by the database's clock.
    pub created_at: OffsetDateTime,
    /// When its work was done; `None` unless it is `PROCESSED`.
    pub processed_at: Option<OffsetDateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether `webhook` says exactly what this row says.
    pub fn says(&self, webhook: &Webhook) -> bool {
        self.transaction_id == webhook.transaction_id
            && self.source_account == webhook.source_account
            && self.destination_account == webhook.destination_account
            && self.amount == webhook.amount
            && self.currency == webhook.currency
    }
}

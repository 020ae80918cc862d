//! The table `transactions`: one row per `transaction_id`, written once and finished once.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::{Account, Amount, Currency, TransactionId};

/// What a sender says about one transaction. Field by field it decides whether a repeated webhook
/// says the same again or something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub transaction_id: TransactionId,
    /// The account that pays.
    pub source_account: Account,
    /// The account that receives.
    pub destination_account: Account,
    pub amount: Amount,
    pub currency: Currency,
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
    pub transaction_id: TransactionId,
    pub source_account: Account,
    pub destination_account: Account,
    #[sea_orm(column_type = "Text", select_as = "text")]
    pub amount: Amount,
    pub currency: Currency,
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
    pub fn matches(&self, webhook: &Webhook) -> bool {
        self.transaction_id == webhook.transaction_id
            && self.source_account == webhook.source_account
            && self.destination_account == webhook.destination_account
            && self.amount == webhook.amount
            && self.currency == webhook.currency
    }
}

//! The table `conflicts`: what came under a known `transaction_id` with other content.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::{Account, Amount, Currency, TransactionId, Webhook};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conflicts")]
pub struct Model {
    /// Made from the content ([`id`]), so that the same conflict sent again is kept once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub transaction_id: TransactionId,
    pub source_account: Account,
    pub destination_account: Account,
    #[sea_orm(column_type = "Text", select_as = "text")]
    pub amount: Amount,
    pub currency: Currency,
    /// When it came first, by the database's clock.
    pub received_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The name-based id (UUID version 5, RFC 9562) of a conflicting webhook's content.
pub fn id(webhook: &Webhook) -> Uuid {
    // No field can hold a NUL, so no two contents share a name.
    let fields: [&str; 5] = [
        webhook.transaction_id.as_ref(),
        webhook.source_account.as_ref(),
        webhook.destination_account.as_ref(),
        &webhook.amount.to_string(),
        webhook.currency.as_ref(),
    ];
    let name = fields.join("\0");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

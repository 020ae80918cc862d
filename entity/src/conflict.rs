//! The table `conflicts`: what came under a known `transaction_id` with other content.

use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::{Account, Amount, Currency, EventType, SourceName, TransactionId, Webhook};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conflicts")]
pub struct Model {
    /// Made from the content ([`id`]), so that the same conflict sent again is kept once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub source: SourceName,
    pub transaction_id: TransactionId,
    #[sea_orm(column_name = "type")]
    pub kind: Option<EventType>,
    pub source_account: Option<Account>,
    pub destination_account: Option<Account>,
    #[sea_orm(column_type = "Text", nullable, select_as = "text")]
    pub amount: Option<Amount>,
    pub currency: Option<Currency>,
    pub extra: Option<String>,
    /// The event's bytes; none for the built-in source.
    pub body: Option<Vec<u8>>,
    /// When it came first, by the database's clock.
    pub received_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The name-based id (UUID version 5, RFC 9562) of a conflicting webhook's content.
pub fn id(webhook: &Webhook) -> Uuid {
    // No field can hold a NUL, so no two contents share a name.
    let fingerprint = webhook.fingerprint().to_string();
    let fields: [&str; 3] = [
        webhook.source.as_ref(),
        webhook.transaction_id.as_ref(),
        &fingerprint,
    ];
    let name = fields.join("\0");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

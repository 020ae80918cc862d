//! `GET /v1/transactions/{transaction_id}`: look a transaction up.

use entity::{Status, TransactionId, lifecycle};
use poem_openapi::{OpenApi, param::Path};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    look_up::{self, Answer, example_id},
    wire::{Tag, Transaction},
};

pub(crate) struct Transactions {
    pub(crate) db: DatabaseConnection,
}

#[OpenApi]
impl Transactions {
    /// Look a transaction up
    ///
    /// Answers with the transaction's content and status as they are in the database now.
    #[oai(
        path = "/v1/transactions/:transaction_id",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "getTransaction"
    )]
    async fn find(
        &self,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
    ) -> Answer<Transaction> {
        look_up::answer(transaction_id.0, async |id| self.load(id).await).await
    }
}

impl Transactions {
    async fn load(&self, id: &TransactionId) -> Result<Option<Transaction>, DbErr> {
        let Some(row) = lifecycle::find(&self.db, id).await? else {
            return Ok(None);
        };
        let failure = match row.status {
            Status::Failed => lifecycle::failure(&self.db, row.id).await?,
            Status::Processing | Status::Processed => None,
        };
        Ok(Some(Transaction::new(row, failure)))
    }
}

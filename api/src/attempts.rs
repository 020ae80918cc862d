//! `GET /v1/transactions/{transaction_id}/attempts`: what has been tried for a transaction.

use entity::{TransactionId, lifecycle};
use poem_openapi::{OpenApi, param::Path};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    look_up::{self, Answer, example_id},
    wire::{Attempt, AttemptList, Tag},
};

pub(crate) struct Attempts {
    pub(crate) db: DatabaseConnection,
}

#[OpenApi]
impl Attempts {
    /// See what has been tried
    ///
    /// Answers with every attempt at the transaction whose end is known: when it began, how long it took, and what
    /// came of it.
    #[oai(
        path = "/v1/transactions/:transaction_id/attempts",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listAttempts"
    )]
    async fn list(
        &self,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
    ) -> Answer<AttemptList> {
        look_up::answer(transaction_id.0, async |id| self.load(id).await).await
    }
}

impl Attempts {
    async fn load(&self, id: &TransactionId) -> Result<Option<AttemptList>, DbErr> {
        let Some(row) = lifecycle::find(&self.db, id).await? else {
            return Ok(None);
        };
        let attempts = lifecycle::attempts(&self.db, row.id).await?;
        Ok(Some(AttemptList {
            attempts: attempts.into_iter().map(Attempt::from).collect(),
        }))
    }
}

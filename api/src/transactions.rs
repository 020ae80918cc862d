//! `GET /v1/transactions/{transaction_id}`: look a transaction up.

use entity::{Status, failure, lifecycle, transaction::Model};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    access::MayRead,
    json::Json,
    look_up::{self, Key, WaitedAnswer, example_id},
    waiting::{self, Waiting, example_wait},
    wire::{Tag, Transaction},
};

pub(crate) struct Transactions {
    pub(crate) db: DatabaseConnection,
    pub(crate) waiting: Waiting,
}

#[OpenApi]
impl Transactions {
    /// Look a transaction up
    ///
    /// Answers with the transaction's content and status as they are in the database now, or, with `wait`, as soon as the
    /// status is final.
    #[oai(
        path = "/v1/transactions/:transaction_id",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "getTransaction"
    )]
    async fn find(
        &self,
        _may: MayRead,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
        /// How long to wait at most for `PROCESSED` or `FAILED`: a whole number of `s` or `ms`, and 60 s if it is more.
        #[oai(example = "example_wait")]
        wait: Query<Option<String>>,
    ) -> WaitedAnswer<Json<Transaction>> {
        let key = Key::built_in(transaction_id.0);
        if let Err(error) = waiting::wait(&self.waiting, &self.db, &key, wait.0).await {
            return WaitedAnswer::unclear(error);
        }
        let answer = look_up::answer(key, async |key| self.load(&key).await);
        answer.await.into()
    }
}

impl Transactions {
    async fn load(&self, key: &Key) -> Result<Option<Json<Transaction>>, DbErr> {
        let row = lifecycle::find(&self.db, &key.source, &key.transaction_id).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let failure = failure(&self.db, &row).await?;
        let found = Transaction::new(row, failure);
        let found = found.ok_or_else(|| DbErr::Type("a payment without its fields".into()))?;
        Ok(Some(Json(found)))
    }
}

/// Why it is `FAILED`, if it is.
pub(crate) async fn failure(
    db: &DatabaseConnection,
    row: &Model,
) -> Result<Option<failure::Model>, DbErr> {
    match row.status {
        Status::Failed => lifecycle::failure(db, row.id).await,
        Status::Processing | Status::Processed => Ok(None),
    }
}

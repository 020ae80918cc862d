//! `GET /v1/transactions/{transaction_id}/attempts`: what has been tried for a transaction.

use entity::lifecycle;
use poem_openapi::{OpenApi, param::Path};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    access::MayRead,
    json::Json,
    look_up::{self, Answer, Key, Wanted, example_id},
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
        _may: MayRead,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
    ) -> Answer<Json<AttemptList>> {
        let key = Key::built_in(transaction_id.0);
        look_up::answer(&self.db, key, Wanted::Transaction, async |key| {
            load(&self.db, key).await
        })
        .await
    }
}

pub(crate) async fn load(
    db: &DatabaseConnection,
    key: &Key,
) -> Result<Option<Json<AttemptList>>, DbErr> {
    let Some(row) = lifecycle::find(db, &key.source, &key.transaction_id).await? else {
        return Ok(None);
    };
    let attempts = lifecycle::attempts(db, row.id).await?;
    Ok(Some(Json(AttemptList {
        attempts: attempts.into_iter().map(Attempt::from).collect(),
    })))
}

//! `GET /v1/transactions/{transaction_id}/conflicts`, and the same of any source: what came under an id with other content.

use entity::lifecycle::{
    self,
    place::{CONFLICTS_MAX, conflicts},
};
use poem_openapi::{OpenApi, param::Path};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    access::MayRead,
    json::Json,
    look_up::{self, Answer, Key, Wanted, example_event_id, example_id, example_source},
    wire::{Conflict, ConflictList, SourceTransaction, Tag},
};

pub(crate) struct Conflicts {
    pub(crate) db: DatabaseConnection,
}

#[OpenApi]
impl Conflicts {
    /// See what came with other content
    ///
    /// Answers with what stands under this id, and with every other content that came under it later: beside each other, so
    /// that somebody can tell which one is right.
    #[oai(
        path = "/v1/transactions/:transaction_id/conflicts",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listConflicts"
    )]
    async fn list(
        &self,
        _may: MayRead,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
    ) -> Answer<Json<ConflictList>> {
        self.answer(Key::built_in(transaction_id.0)).await
    }

    /// See what a source sent with other content
    ///
    /// Answers with what stands under this id, and with every other content that came under it later.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id/conflicts",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listSourceConflicts"
    )]
    async fn list_of(
        &self,
        _may: MayRead,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
    ) -> Answer<Json<ConflictList>> {
        self.answer(Key::of(source.0, transaction_id.0)).await
    }
}

impl Conflicts {
    async fn answer(&self, key: Option<Key>) -> Answer<Json<ConflictList>> {
        let load = async |key: &Key| self.load(key).await;
        look_up::answer(&self.db, key, Wanted::Transaction, load).await
    }

    /// `None` if the id has never come.
    async fn load(&self, key: &Key) -> Result<Option<Json<ConflictList>>, DbErr> {
        let (source, transaction_id) = (&key.source, &key.transaction_id);
        if lifecycle::known(&self.db, source, transaction_id)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let stands = match lifecycle::find(&self.db, source, transaction_id).await? {
            Some(row) => {
                let payload = lifecycle::payload(&self.db, row.id).await?;
                Some(SourceTransaction::new(row, payload, None))
            }
            None => None,
        };
        let conflicts = conflicts(&self.db, source, transaction_id).await?;
        Ok(Some(Json(ConflictList {
            stands,
            more: conflicts.len() as u64 == CONFLICTS_MAX,
            conflicts: conflicts.into_iter().map(Conflict::from).collect(),
        })))
    }
}

//! `GET /v1/sources/{source}/transactions/{transaction_id}`: look up what any source has sent.

use entity::{lifecycle, transaction::Model};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    access::MayRead,
    attempts,
    json::Json,
    look_up::{self, Answer, Key, WaitedAnswer, example_event_id, example_source},
    transactions,
    waiting::{self, Waiting, example_wait},
    wire::{AttemptList, Bytes, SourceTransaction, Tag},
};

pub(crate) struct SourceTransactions {
    pub(crate) db: DatabaseConnection,
    pub(crate) waiting: Waiting,
}

#[OpenApi]
impl SourceTransactions {
    /// Look a source's transaction up
    ///
    /// Answers with the event's content and status as they are in the database now, or, with `wait`, as soon as the status is
    /// final. An id is looked for among those of this source alone.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "getSourceTransaction"
    )]
    async fn find(
        &self,
        _may: MayRead,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
        /// How long to wait at most for `PROCESSED` or `FAILED`: a whole number of `s` or `ms`, and 60 s if it is more.
        #[oai(example = "example_wait")]
        wait: Query<Option<String>>,
    ) -> WaitedAnswer<Json<SourceTransaction>> {
        let key = Key::of(source.0, transaction_id.0);
        if let Err(error) = waiting::wait(&self.waiting, &self.db, &key, wait.0).await {
            return WaitedAnswer::unclear(error);
        }
        let answer = look_up::answer(key, async |key| self.load(&key).await);
        answer.await.into()
    }

    /// Get the bytes of a source's event
    ///
    /// Answers with the event as it came, byte for byte, and with the content type with which it came: of a batch, with this
    /// item of it. Always as an attachment, so that nothing of it runs in a browser.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id/payload",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "getSourcePayload"
    )]
    async fn payload(
        &self,
        _may: MayRead,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
    ) -> Answer<Bytes> {
        let key = Key::of(source.0, transaction_id.0);
        look_up::answer(key, async |key| {
            let payload = match self.row(&key).await? {
                Some(row) => lifecycle::payload(&self.db, row.id).await?,
                None => None,
            };
            Ok(payload.map(Bytes::from))
        })
        .await
    }

    /// See what has been tried for a source's transaction
    ///
    /// Answers with every attempt at the transaction whose end is known: when it began, how long it took, and what
    /// came of it.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id/attempts",
        method = "get",
        tag = "Tag::Transactions",
        operation_id = "listSourceAttempts"
    )]
    async fn attempts(
        &self,
        _may: MayRead,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
    ) -> Answer<Json<AttemptList>> {
        let key = Key::of(source.0, transaction_id.0);
        look_up::answer(key, async |key| attempts::load(&self.db, &key).await).await
    }
}

impl SourceTransactions {
    async fn load(&self, key: &Key) -> Result<Option<Json<SourceTransaction>>, DbErr> {
        let Some(row) = self.row(key).await? else {
            return Ok(None);
        };
        let payload = lifecycle::payload(&self.db, row.id).await?;
        let failure = transactions::failure(&self.db, &row).await?;
        let found = SourceTransaction::new(row, payload, failure);
        Ok(Some(Json(found)))
    }

    async fn row(&self, key: &Key) -> Result<Option<Model>, DbErr> {
        lifecycle::find(&self.db, &key.source, &key.transaction_id).await
    }
}

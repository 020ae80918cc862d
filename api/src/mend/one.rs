//! One transaction: retry it, replay it, give it up.

use entity::lifecycle::{self, operate::Reason};
use poem_openapi::{OpenApi, param::Path};

use super::{
    act::{self, Act, Outcome},
    answer::{self, Answer, cannot, unavailable},
    asked::Asked,
    operators::{Operators, WITHIN, by},
};
use crate::{
    access::MayChange,
    json::Json,
    look_up::{Key, example_event_id, example_id, example_source},
    wire::{Mended, Tag, Why},
};

/// What can be done to one transaction.
pub(crate) struct One {
    pub(crate) operators: Operators,
}

#[OpenApi]
impl One {
    /// Retry a transaction
    ///
    /// Reopens a transaction that is `FAILED`: it is `PROCESSING` again and due at once, its schedule begins anew, and its attempts
    /// are counted on. Downstream sees the same idempotency key.
    #[oai(
        path = "/v1/transactions/:transaction_id/retry",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "retryTransaction"
    )]
    async fn retry(
        &self,
        may: MayChange,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<Mended>> {
        let key = Key::built_in(transaction_id.0);
        self.act(Act::Retry, &may, key, why.0).await
    }

    /// Replay a transaction
    ///
    /// Has the call of a transaction that is `PROCESSED` made once more, by the schedule, with the same idempotency key and the
    /// header `hookline-replay: true`. The transaction stays as it is, whatever comes of it.
    #[oai(
        path = "/v1/transactions/:transaction_id/replay",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "replayTransaction"
    )]
    async fn replay(
        &self,
        may: MayChange,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<Mended>> {
        let key = Key::built_in(transaction_id.0);
        self.act(Act::Replay, &may, key, why.0).await
    }

    /// Give a transaction up
    ///
    /// Makes a transaction that is `PROCESSING` `FAILED`, with the verdict `GIVEN_UP`, or ends its replay. Not while a consumer
    /// has it in hand.
    #[oai(
        path = "/v1/transactions/:transaction_id/give-up",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "giveUpTransaction"
    )]
    async fn give_up(
        &self,
        may: MayChange,
        /// The sender's id of the transaction, percent-encoded.
        #[oai(example = "example_id")]
        transaction_id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<Mended>> {
        let key = Key::built_in(transaction_id.0);
        self.act(Act::GiveUp, &may, key, why.0).await
    }

    /// Retry a source's transaction
    ///
    /// As for the built-in source.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id/retry",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "retrySourceTransaction"
    )]
    async fn retry_of_source(
        &self,
        may: MayChange,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<Mended>> {
        let key = Key::of(source.0, transaction_id.0);
        self.act(Act::Retry, &may, key, why.0).await
    }

    /// Replay a source's transaction
    ///
    /// As for the built-in source.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id/replay",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "replaySourceTransaction"
    )]
    async fn replay_of_source(
        &self,
        may: MayChange,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<Mended>> {
        let key = Key::of(source.0, transaction_id.0);
        self.act(Act::Replay, &may, key, why.0).await
    }

    /// Give a source's transaction up
    ///
    /// As for the built-in source.
    #[oai(
        path = "/v1/sources/:source/transactions/:transaction_id/give-up",
        method = "post",
        tag = "Tag::Mending",
        operation_id = "giveUpSourceTransaction"
    )]
    async fn give_up_of_source(
        &self,
        may: MayChange,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        /// The sender's id of the event, percent-encoded.
        #[oai(example = "example_event_id")]
        transaction_id: Path<String>,
        why: Asked<Why>,
    ) -> Answer<Json<Mended>> {
        let key = Key::of(source.0, transaction_id.0);
        self.act(Act::GiveUp, &may, key, why.0).await
    }
}

impl One {
    async fn act(
        &self,
        act: Act,
        may: &MayChange,
        key: Option<Key>,
        reason: Reason,
    ) -> Answer<Json<Mended>> {
        let unknown = || Answer::Unknown(answer::unknown("no transaction of this id is kept"));
        let Some(key) = key else {
            return unknown();
        };
        let by = by(may, reason);
        let mended = (key.source.clone(), key.transaction_id.clone());
        let outcome = self.operators.act(WITHIN, |db| async move {
            let row = lifecycle::find(&db, &key.source, &key.transaction_id).await?;
            match row {
                Some(row) => act::act(&db, act, row.id, &by).await,
                None => Ok(Outcome::Unknown),
            }
        });
        match outcome.await {
            Ok(Outcome::Done(status)) => Answer::Done(Json(Mended::new(mended, status))),
            Ok(Outcome::Unknown) => unknown(),
            Ok(Outcome::Cannot(why)) => Answer::Cannot(cannot(why)),
            Err(error) => {
                let (problem, retry_after) = unavailable(&error);
                Answer::Unavailable(problem, retry_after)
            }
        }
    }
}

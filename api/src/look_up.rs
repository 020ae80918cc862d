//! What every look-up of a transaction has in common: how long it may take, and how it is answered.

use std::time::Duration;

use entity::{
    ParseSourceNameError, SourceName, TransactionId,
    lifecycle::{self, Known},
};
use poem::{IntoResponse, http::StatusCode};
use poem_openapi::{ApiResponse, payload::Payload};
use sea_orm::{DatabaseConnection, DbErr};

use crate::{
    json::Json,
    problem::{FieldError, Problem, RETRY_AFTER_SECS},
};

/// From the request to the database's answer.
const WITHIN: Duration = Duration::from_secs(2);

/// What a transaction is looked up by.
pub(crate) struct Key {
    pub(crate) source: SourceName,
    pub(crate) transaction_id: TransactionId,
}

impl Key {
    /// `None` if no transaction can have such an id.
    pub(crate) fn built_in(transaction_id: String) -> Option<Self> {
        Some(Self {
            source: SourceName::built_in(),
            transaction_id: transaction_id.try_into().ok()?,
        })
    }

    /// The same, and if no source can have such a name.
    pub(crate) fn of(source: String, transaction_id: String) -> Option<Self> {
        Some(Self {
            source: source.try_into().ok()?,
            transaction_id: transaction_id.try_into().ok()?,
        })
    }
}

#[derive(ApiResponse)]
pub(crate) enum Answer<T: Payload + IntoResponse + Send> {
    /// What was asked for.
    #[oai(status = 200)]
    Found(T),
    /// No webhook of this `transaction_id` has been committed, or the transaction has nothing of what is asked for.
    #[oai(status = 404, content_type = "application/problem+json")]
    Unknown(Json<Problem>),
    /// The transaction has come and is finished, and what is asked for is kept no more. Its id is known for ever.
    #[oai(status = 410, content_type = "application/problem+json")]
    Gone(Json<Problem>),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

/// [`Answer`], where one may wait for it.
#[derive(ApiResponse)]
pub(crate) enum WaitedAnswer<T: Payload + IntoResponse + Send> {
    /// What was asked for.
    #[oai(status = 200)]
    Found(T),
    /// No webhook of this `transaction_id` has been committed.
    #[oai(status = 404, content_type = "application/problem+json")]
    Unknown(Json<Problem>),
    /// The transaction has come and is finished, and its content is kept no more. Its id is known for ever.
    #[oai(status = 410, content_type = "application/problem+json")]
    Gone(Json<Problem>),
    /// `wait` is not a length of time.
    #[oai(status = 422, content_type = "application/problem+json")]
    Unclear(Json<Problem>),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

impl<T: Payload + IntoResponse + Send> From<Answer<T>> for WaitedAnswer<T> {
    fn from(answer: Answer<T>) -> Self {
        match answer {
            Answer::Found(found) => Self::Found(found),
            Answer::Unknown(problem) => Self::Unknown(problem),
            Answer::Gone(problem) => Self::Gone(problem),
            Answer::Unavailable(problem, retry_after) => Self::Unavailable(problem, retry_after),
        }
    }
}

impl<T: Payload + IntoResponse + Send> WaitedAnswer<T> {
    pub(crate) fn unclear(error: FieldError) -> Self {
        let detail = "the query does not say how long to wait";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        Self::Unclear(problem.with_errors(vec![error]).json())
    }
}

/// What a look-up is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Transaction,
    /// The bytes of an event.
    Bytes,
}

/// Answers with what `load` finds.
pub(crate) async fn answer<T: Payload + IntoResponse + Send>(
    db: &DatabaseConnection,
    key: Option<Key>,
    wanted: Wanted,
    load: impl AsyncFnOnce(&Key) -> Result<Option<T>, DbErr>,
) -> Answer<T> {
    let Some(key) = key else {
        return unknown();
    };
    let found = in_time(async {
        Ok(match load(&key).await? {
            Some(found) => Ok(found),
            None => Err(lifecycle::known(db, &key.source, &key.transaction_id).await?),
        })
    });
    match found.await {
        Ok(Ok(found)) => Answer::Found(found),
        Ok(Err(Some(known))) if wanted != Wanted::Bytes || !known.source.is_built_in() => {
            Answer::Gone(gone(known, wanted).json())
        }
        Ok(Err(_)) => unknown(),
        Err(error) => {
            let (problem, retry_after) = unavailable(&error);
            Answer::Unavailable(problem, retry_after)
        }
    }
}

fn unknown<T: Payload + IntoResponse + Send>() -> Answer<T> {
    let detail = "no transaction of this id has been received";
    Answer::Unknown(Problem::new(StatusCode::NOT_FOUND, detail).json())
}

/// What is still known of a transaction whose content was deleted.
fn gone(known: Known, wanted: Wanted) -> Problem {
    let detail = match wanted {
        Wanted::Transaction => {
            "the transaction was received and finished; its content is kept no more"
        }
        Wanted::Bytes => "the event was received; its bytes are kept no more",
    };
    Problem::new(StatusCode::GONE, detail).with_status_of(known.status)
}

/// Tells the log why a look-up failed; returns what is answered, and the seconds to wait.
pub(crate) fn unavailable(error: &DbErr) -> (Json<Problem>, u32) {
    tracing::error!(event = "look_up_failed", %error, "could not look a transaction up");
    let detail = "the database could not be asked just now";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    (problem.json(), RETRY_AFTER_SECS)
}

/// Bounds a look-up: a server that hangs without closing its connections would hold it for ever. (A
/// query that only reads may be dropped half-way.)
pub(crate) async fn in_time<T>(query: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(WITHIN, query).await {
        Ok(answer) => answer,
        Err(_) => Err(DbErr::Custom("no answer in time".into())),
    }
}

/// The source that a query names, if it names one.
pub(crate) fn source(text: Option<&str>) -> Result<Option<SourceName>, FieldError> {
    let source = text.map(str::parse).transpose();
    source.map_err(|error: ParseSourceNameError| FieldError::new("source", error.to_string()))
}

pub(crate) fn example_id() -> String {
    "txn_abc123".into()
}

pub(crate) fn example_source() -> String {
    "stripe".into()
}

pub(crate) fn example_source_query() -> Option<String> {
    Some(example_source())
}

pub(crate) fn example_event_id() -> String {
    "evt_1NG8Du2eZvKYlo2CUI79vXWy".into()
}

#[cfg(test)]
mod tests;

//! What every look-up of a transaction has in common: how long it may take, and how it is answered.

use std::time::Duration;

use entity::TransactionId;
use poem::http::StatusCode;
use poem_openapi::{ApiResponse, types::Type};
use sea_orm::DbErr;
use serde::Serialize;

use crate::{
    json::Json,
    problem::{Problem, RETRY_AFTER_SECS},
};

/// From the request to the database's answer.
const WITHIN: Duration = Duration::from_secs(2);

#[derive(ApiResponse)]
pub(crate) enum Answer<T: Type + Serialize + Send> {
    /// What was asked for.
    #[oai(status = 200)]
    Found(Json<T>),
    /// No webhook of this `transaction_id` has been committed.
    #[oai(status = 404, content_type = "application/problem+json")]
    Unknown(Json<Problem>),
    /// The database does not answer just now.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

/// Answers with what `load` finds. No transaction has an id that cannot be one.
pub(crate) async fn answer<T: Type + Serialize + Send>(
    transaction_id: String,
    load: impl AsyncFnOnce(&TransactionId) -> Result<Option<T>, DbErr>,
) -> Answer<T> {
    let found = match TransactionId::try_from(transaction_id) {
        Ok(id) => in_time(load(&id)).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(found)) => Answer::Found(Json(found)),
        Ok(None) => {
            let detail = "no transaction of this id has been received";
            Answer::Unknown(Problem::new(StatusCode::NOT_FOUND, detail).json())
        }
        Err(error) => {
            tracing::error!(event = "look_up_failed", %error, "could not look a transaction up");
            let detail = "the transaction could not be looked up just now";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
            Answer::Unavailable(problem.json(), RETRY_AFTER_SECS)
        }
    }
}

/// Bounds a look-up: a server that hangs without closing its connections would hold it for ever. (A
/// query that only reads may be dropped half-way.)
async fn in_time<T>(query: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    match tokio::time::timeout(WITHIN, query).await {
        Ok(answer) => answer,
        Err(_) => Err(DbErr::Custom("no answer in time".into())),
    }
}

pub(crate) fn example_id() -> String {
    "txn_abc123".into()
}

//! `POST /v1/webhooks/transactions`: receive a webhook.

use std::collections::HashMap;

use entity::{Status, lifecycle::Receipt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::StatusCode;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, types::Any};
use serde::Serialize;
use serde_json::Value;

use crate::{
    admission::Admission,
    edge,
    json::{self, Body, Json},
    problem::Problem,
    routes::Tag,
    transactions::SentAmount,
    webhook::{self, Invalid},
    writer::{NotCommitted, Writer},
};

/// Where webhooks arrive.
pub(crate) const PATH: &str = "/v1/webhooks/transactions";

/// Whether webhooks arrive at `path`, however its slashes are set.
pub(crate) fn is_path(path: &str) -> bool {
    path == PATH || edge::tidy(path) == PATH
}

/// What may stand in a path as it is: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(crate) struct Webhooks {
    pub(crate) writer: Writer,
    pub(crate) admission: Admission,
}

/// One transaction as its sender tells it. Members beyond these are ignored.
#[derive(Object)]
#[oai(rename = "Webhook", example)]
pub(crate) struct WebhookSchema {
    /// The sender's id of the transaction: no control characters.
    transaction_id: String,
    /// The paying account: no control characters.
    source_account: String,
    /// The receiving account: no control characters.
    destination_account: String,
    /// How much. Kept exactly.
    amount: SentAmount,
    /// Three capital letters (ISO 4217).
    currency: String,
    #[oai(flatten)]
    others: HashMap<String, Any<Value>>,
}

impl poem_openapi::types::Example for WebhookSchema {
    fn example() -> Self {
        Self {
            transaction_id: "txn_abc123".into(),
            source_account: "acc_user_1".into(),
            destination_account: "acc_merchant_1".into(),
            amount: SentAmount::example(),
            currency: "INR".into(),
            others: HashMap::new(),
        }
    }
}

/// Where a transaction is in its life.
#[derive(Clone, Copy, Serialize, Enum)]
#[oai(rename_all = "UPPERCASE", rename = "Status")]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum StatusSchema {
    /// Committed; its work is not done yet.
    Processing,
    /// Its work is done. Final.
    Processed,
    /// Its work was given up. Final.
    Failed,
}

impl From<Status> for StatusSchema {
    fn from(status: Status) -> Self {
        match status {
            Status::Processing => Self::Processing,
            Status::Processed => Self::Processed,
            Status::Failed => Self::Failed,
        }
    }
}

/// What became of a webhook. Whatever it says, the transaction is committed.
#[derive(Serialize, Object)]
#[oai(example)]
pub(crate) struct Accepted {
    /// The sender's id of the transaction.
    transaction_id: String,
    /// Where the transaction is now.
    status: StatusSchema,
    /// This `transaction_id` had come before. Nothing is done twice.
    duplicate: bool,
    /// It had come before with other content. The first content stands; this one is kept for an
    /// operator to see.
    conflict: bool,
}

impl poem_openapi::types::Example for Accepted {
    fn example() -> Self {
        Self {
            transaction_id: "txn_abc123".into(),
            status: StatusSchema::Processing,
            duplicate: false,
            conflict: false,
        }
    }
}

#[derive(ApiResponse)]
#[oai(bad_request_handler = "unreadable")]
pub(crate) enum Answer {
    /// It is committed to the database, now or before.
    #[oai(status = 202)]
    Accepted(
        Json<Accepted>,
        /// Where the transaction can be looked up.
        #[oai(header = "Location")]
        String,
    ),
    /// The body is not JSON.
    #[oai(status = 400, content_type = "application/problem+json")]
    NotJson(Json<Problem>),
    /// The body did not arrive in time.
    #[oai(status = 408, content_type = "application/problem+json")]
    TooSlow(Json<Problem>),
    /// The body is longer than 65536 bytes.
    #[oai(status = 413, content_type = "application/problem+json")]
    TooLarge(Json<Problem>),
    /// The content type is not `application/json`, or the content is coded (compressed).
    #[oai(status = 415, content_type = "application/problem+json")]
    NotJsonType(Json<Problem>),
    /// The body is JSON but no webhook; `errors` names every offending field.
    #[oai(status = 422, content_type = "application/problem+json")]
    NoWebhook(Json<Problem>),
    /// It could not be committed in time. Send it again: if it was committed after all, that does no
    /// harm.
    #[oai(status = 503, content_type = "application/problem+json")]
    Unavailable(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

#[OpenApi]
impl Webhooks {
    /// Receive a webhook
    ///
    /// Commits one transaction and answers at once; its processing follows in the background. May be
    /// sent again any number of times: the first webhook of a `transaction_id` counts.
    #[oai(
        path = "/v1/webhooks/transactions",
        method = "post",
        tag = "Tag::Webhooks",
        operation_id = "sendWebhook"
    )]
    async fn receive(&self, body: Body<WebhookSchema>) -> Answer {
        let webhook = match webhook::parse(&body.bytes) {
            Ok(webhook) => webhook,
            Err(invalid) => return invalid.into(),
        };
        let transaction_id = webhook.transaction_id.clone();
        let due = (self.admission).with(|controller, _| controller.due(body.asked, body.read));
        match self.writer.receive(webhook, due).await {
            Ok(receipt) => accepted(transaction_id, receipt),
            Err(why) => not_committed(why, self.admission.retry_after()),
        }
    }
}

fn accepted(transaction_id: String, receipt: Receipt) -> Answer {
    let location = format!(
        "/v1/transactions/{}",
        utf8_percent_encode(&transaction_id, ENCODED)
    );
    let (status, duplicate, conflict) = match receipt {
        Receipt::New => (Status::Processing, false, false),
        Receipt::Duplicate { status, conflict } => (status, true, conflict),
    };
    let accepted = Accepted {
        transaction_id,
        status: status.into(),
        duplicate,
        conflict,
    };
    Answer::Accepted(Json(accepted), location)
}

impl From<Invalid> for Answer {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::NotJson(how) => {
                Self::NotJson(Problem::new(StatusCode::BAD_REQUEST, how).json())
            }
            Invalid::Fields(errors) => {
                let detail = "the body is JSON but no webhook";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                Self::NoWebhook(problem.with_errors(errors).json())
            }
        }
    }
}

/// What to answer when there is no receipt; `retry_after` is in seconds.
pub(crate) fn not_committed(why: NotCommitted, retry_after: u32) -> Answer {
    let problem = |status| Problem::new(status, why.to_string()).json();
    match why {
        NotCommitted::Refused => Answer::NoWebhook(problem(StatusCode::UNPROCESSABLE_ENTITY)),
        NotCommitted::TooMuch | NotCommitted::InTime => {
            Answer::Unavailable(problem(StatusCode::SERVICE_UNAVAILABLE), retry_after)
        }
    }
}

/// What to answer when the body could not even be read.
fn unreadable(error: poem::Error) -> Answer {
    let problem = match error.downcast_ref::<json::Coded>() {
        Some(coded) => Problem::new(error.status(), coded.to_string()),
        None => Problem::of(error.status()),
    };
    match error.status() {
        StatusCode::REQUEST_TIMEOUT => Answer::TooSlow(problem.json()),
        StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge(problem.json()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Answer::NotJsonType(problem.json()),
        // The client broke off or broke the protocol; it will hardly read this.
        _ => {
            let detail = "the body could not be read";
            Answer::NotJson(Problem::new(StatusCode::BAD_REQUEST, detail).json())
        }
    }
}

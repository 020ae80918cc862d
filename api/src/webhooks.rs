//! `POST /v1/webhooks/transactions`: receive a webhook.

mod extra;
mod parse;

use std::sync::Arc;

use entity::{Status, TransactionId, lifecycle::Receipt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::{Request, http::StatusCode};
use poem_openapi::{ApiResponse, OpenApi};
use trace::Tracer;

use crate::{
    admission::Admission,
    arrival::Arrival,
    body::BodyError,
    gate::Gate,
    json::{Body, Json},
    metrics::SourceMetrics,
    paths,
    problem::Problem,
    wire::{Accepted, Tag, Webhook},
    writer::{Group, NotCommitted, Writer},
};
use parse::{Invalid, parse};

/// What may stand in a path as it is: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(crate) struct Webhooks {
    pub(crate) writer: Writer,
    pub(crate) admission: Admission,
    pub(crate) gate: Gate,
    pub(crate) metrics: Arc<SourceMetrics>,
    pub(crate) tracer: Tracer,
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
    /// It is not proven to be the sender's. Only where the built-in source has been given a secret.
    #[oai(status = 401, content_type = "application/problem+json")]
    NotProven(Json<Problem>),
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
    async fn receive(&self, request: &Request, body: Body<Webhook>) -> Answer {
        if !self.gate.is_proven(request, &body.bytes) {
            let detail = "the request is not proven to be its sender's";
            return Answer::NotProven(Problem::new(StatusCode::UNAUTHORIZED, detail).json());
        }
        let webhook = match parse(&body.bytes) {
            Ok(webhook) => webhook,
            Err(invalid) => return invalid.into(),
        };
        let transaction_id = webhook.transaction_id.clone();
        let due = (self.admission).with(|controller, _| controller.due(body.asked, body.read));
        let answered = (paths::WEBHOOKS, StatusCode::ACCEPTED.as_u16());
        let arrival = Arrival::of(&self.tracer, request, body.asked, answered);
        let received = (self.writer).receive(Group::one(webhook), due, &self.metrics, arrival);
        match received.await {
            Ok(receipts) => {
                self.metrics.heard();
                accepted(transaction_id, receipts.first)
            }
            Err(why) => not_committed(why, self.admission.retry_after()),
        }
    }
}

fn accepted(transaction_id: TransactionId, receipt: Receipt) -> Answer {
    let location = format!(
        "/v1/transactions/{}",
        utf8_percent_encode(transaction_id.as_ref(), ENCODED)
    );
    let (status, duplicate, conflict) = match receipt {
        Receipt::New => (Status::Processing, false, false),
        Receipt::Duplicate {
            status, conflict, ..
        } => (status, true, conflict),
    };
    let accepted = Accepted {
        transaction_id: transaction_id.into(),
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
    let problem = match error.downcast_ref::<BodyError>() {
        Some(why) => Problem::new(error.status(), why.to_string()),
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

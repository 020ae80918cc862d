//! Whether an answer is one that the contract knows.

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;

use crate::chaos::history::Outcome;

const PROBLEM: &str = "application/problem+json";

/// The body of a 202.
#[derive(Deserialize)]
struct Receipt {
    transaction_id: String,
    status: String,
    duplicate: bool,
    conflict: bool,
}

/// Sends `request`, which carries the webhook `id`, and judges the answer.
pub(super) async fn of(request: RequestBuilder, id: &str) -> Outcome {
    match request.send().await {
        Ok(response) => judge(response, id).await,
        Err(_) => Outcome::Unknown,
    }
}

async fn judge(response: Response, id: &str) -> Outcome {
    let status = response.status();
    let header = |name| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let location = header(header::LOCATION);
    let media_type = header(header::CONTENT_TYPE).unwrap_or_default();
    let retry_after = header(header::RETRY_AFTER);
    // An answer that breaks off is none.
    let Ok(body) = response.text().await else {
        return Outcome::Unknown;
    };
    let wrong = |what: &str| Outcome::Wrong(format!("{status}: {what}: {body:.200}"));
    if status == StatusCode::ACCEPTED {
        return match serde_json::from_str::<Receipt>(&body) {
            Ok(receipt) if receipt.transaction_id != id => wrong("somebody else's receipt"),
            Ok(_) if location.as_deref() != Some(&format!("/v1/transactions/{id}")) => {
                wrong("another location")
            }
            Ok(receipt) if !["PROCESSING", "PROCESSED", "FAILED"].contains(&&*receipt.status) => {
                wrong("an unknown status")
            }
            Ok(Receipt {
                duplicate,
                conflict,
                ..
            }) => Outcome::Accepted {
                duplicate,
                conflict,
            },
            Err(_) => wrong("no receipt"),
        };
    }
    if media_type != PROBLEM {
        return wrong(&format!("{media_type:?} is not {PROBLEM}"));
    }
    match status {
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_none() => wrong("no Retry-After"),
        StatusCode::SERVICE_UNAVAILABLE => Outcome::Later,
        _ if status.is_client_error() => Outcome::Refused(status.as_u16()),
        _ => wrong("not a status of the contract"),
    }
}

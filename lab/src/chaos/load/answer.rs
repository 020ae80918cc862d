//! Whether an answer is one that the contract knows.

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;

use crate::chaos::history::{Outcome, Told};

const PROBLEM: &str = "application/problem+json";

/// The body of a 202.
#[derive(Deserialize)]
struct Receipt {
    transaction_id: String,
    status: String,
    duplicate: bool,
    conflict: bool,
}

/// Sends `request`, and judges the answer: of the built-in source for the webhook `id`; of another one if that is `None`.
pub(super) async fn of(request: RequestBuilder, id: Option<&str>) -> Outcome {
    match (request.send().await, id) {
        (Ok(response), Some(id)) => judge(response, id).await,
        (Ok(response), None) => judge_signed(response).await,
        (Err(_), _) => Outcome::Unknown,
    }
}

/// What its sender looks at: the status. Only that it has come whole tells that there was one.
async fn judge_signed(response: Response) -> Outcome {
    let status = response.status();
    let comes_again = response.headers().contains_key(header::RETRY_AFTER);
    let Ok(body) = response.text().await else {
        return Outcome::Unknown;
    };
    match status {
        StatusCode::OK => Outcome::Accepted(None),
        StatusCode::SERVICE_UNAVAILABLE if comes_again => Outcome::Later,
        _ if status.is_client_error() => Outcome::Refused(status.as_u16()),
        _ => Outcome::Wrong(format!("{status} to a signed sender: {body:.200}")),
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
            }) => Outcome::Accepted(Some(Told {
                duplicate,
                conflict,
            })),
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

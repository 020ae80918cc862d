//! Attempts against servers that listen.

mod answers;
mod connections;
mod events;
mod few_files;
mod heads;
mod requests;
mod server;

use std::{sync::Arc, time::Duration};

use entity::{Content, Payment, SourceName, Webhook};
use uuid::Uuid;

use super::{Attempt, Downstream, Job, Settings};
use crate::fixtures;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// No test that passes waits as long.
const LONG: Duration = Duration::from_secs(20);
/// For tests in which the time runs out.
const SHORT: Duration = Duration::from_millis(400);

fn settings(url: String, timeout: Duration) -> Settings {
    Settings {
        url,
        secret: None,
        timeout,
    }
}

/// A downstream service at `place`, a host and a port.
fn downstream(place: &str, timeout: Duration) -> Downstream {
    Downstream::new(settings(format!("http://{place}/hook"), timeout)).unwrap()
}

/// A job of the built-in source.
fn job(transaction_id: &str) -> Arc<Job> {
    payment(transaction_id, |_| {})
}

fn payment(transaction_id: &str, change: impl FnOnce(&mut Payment)) -> Arc<Job> {
    let mut payment = Payment {
        amount: "10.50".parse().unwrap(),
        ..fixtures::payment()
    };
    change(&mut payment);
    let content = Content::Payment(payment);
    job_of(SourceName::built_in(), transaction_id, content).into()
}

fn job_of(source: SourceName, transaction_id: &str, content: Content) -> Job {
    Job {
        id: Uuid::now_v7(),
        webhook: Webhook {
            source,
            transaction_id: transaction_id.parse().unwrap(),
            content,
        },
        body_left: 0,
        attempt: 1,
        failures: 0,
        deferrals: 0,
        replay: false,
    }
}

/// One attempt with a new client, which must end long before it gives up if `timeout` is [`LONG`].
async fn attempt(place: &str, timeout: Duration) -> Attempt {
    let attempt = downstream(place, timeout)
        .call(job("t1"), None)
        .await
        .attempt;
    assert!(attempt.took < LONG, "{attempt:?}");
    attempt
}

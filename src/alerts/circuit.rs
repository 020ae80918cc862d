//! The circuit before downstream has opened.

use std::{sync::Arc, time::Duration};

use consumer::{Circuit, Metrics};
use sea_orm::DatabaseConnection;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Paced, Post};

const KIND: &str = "hookline.circuit.opened";
/// From one look to the next; and after the database did not answer.
const EVERY: Duration = Duration::from_secs(1);
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Tells of this process's circuit, until `stop`: once each time that it opens and is not closed when it is time to tell.
pub async fn run(
    db: DatabaseConnection,
    metrics: Arc<Metrics>,
    post: Post,
    process: String,
    stop: CancellationToken,
) {
    let mut paced = Paced::new(KIND, post);
    let mut every = tokio::time::interval(EVERY);
    let mut is_told = false;
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let (circuit, because) = metrics.circuit();
        if circuit == Circuit::Closed {
            is_told = false;
            paced.forget();
        }
        if circuit == Circuit::Closed || is_told {
            continue;
        }
        let data = json!({"process": process, "reason": because});
        let told = paced.step(&db, async |_, now| Ok(Some((now, data))));
        match stop.run_until_cancelled(told).await {
            Some(Ok(told)) => is_told = told,
            Some(Err(error)) => {
                tracing::warn!(event = "alert_not_noted", %error, "could not look whether an operator event is to be sent");
                every.reset_after(AGAIN_AFTER);
            }
            None => return,
        }
    }
}

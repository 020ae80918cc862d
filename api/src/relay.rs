//! The relay: the only publisher. What has just been committed comes to it directly; what fell due in
//! the outbox (after a crash, an outage, a lost hint) it finds by a sweep. Both go the same way.

mod hints;
mod metrics;
mod notes;
mod returned;
mod session;
mod settings;
mod spans;
mod sweep;

use std::sync::Arc;

use meter::Registry;
use queue::{Backoff, Error, Queue};
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;
use trace::Tracer;

pub(crate) use hints::{DUE_IN, Nudge};
pub use hints::{HintReceiver, HintSender, channel};
use metrics::Metrics;
use session::{Session, State};
pub use settings::Settings;
use spans::Spans;

/// What the relay works with.
pub struct Resources {
    /// Where webhooks are committed.
    pub db: DatabaseConnection,
    /// Where their ids are published.
    pub queue: Queue,
    /// What has just been committed.
    pub hints: HintReceiver,
    /// Where figures are written.
    pub registry: Registry,
    /// Where messages are traced.
    pub tracer: Tracer,
}

/// Publishes until the hints end and everything published is confirmed and noted, or, if the broker is out of
/// reach, until `stop`.
pub async fn run(settings: Settings, resources: Resources, stop: CancellationToken) {
    let Resources {
        db,
        queue,
        mut hints,
        registry,
        tracer,
    } = resources;
    let mut backoff = Backoff::new();
    let metrics = Arc::new(Metrics::default());
    registry.add(metrics.clone());
    let mut state = State::new(settings, &db, &queue, (metrics, Spans::new(tracer)));
    loop {
        let publisher = tokio::select! {
            publisher = queue.publisher() => publisher,
            () = stop.cancelled() => return,
        };
        let failure = match publisher {
            Ok(publisher) => {
                let mut session = Session::new(publisher, &mut state);
                let ended = session.run(&mut hints).await;
                session.leave().await;
                if session.is_proven() {
                    backoff.reset();
                }
                match ended {
                    Ok(()) => return,
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        let wait = backoff.next_wait();
        // What the broker refuses has been logged, once for all connections.
        if !matches!(failure, Error::Denied(_)) {
            tracing::warn!(event = "relay_lost_queue", error = %failure, ?wait, "relay lost the queue; what is unpublished waits in the outbox");
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

//! `GET /`, `/healthz`, `/readyz`: is it there, is it alive, can it work.

mod probe;

use poem::{http::StatusCode, web::RemoteAddr};
use poem_openapi::{ApiResponse, OpenApi};
use queue::Queue;
use sea_orm::DatabaseConnection;
use time::OffsetDateTime;

use crate::{
    Drain, FileWatch,
    gate::Gate,
    json::Json,
    problem::{FieldError, Problem, RETRY_AFTER_SECS},
    wire::{Alive, Ready, Tag},
};
use probe::Probe;

pub(crate) struct Health {
    database: Probe,
    queue: Queue,
    file: Option<FileWatch>,
    drain: Drain,
    gate: Gate,
}

impl Health {
    /// Of the database that webhooks are written to, of its file if it is one, and of the queue.
    pub(crate) fn new(
        db: DatabaseConnection,
        file: Option<FileWatch>,
        queue: Queue,
        drain: Drain,
        gate: Gate,
    ) -> Self {
        Self {
            database: Probe::new(db),
            queue,
            file,
            drain,
            gate,
        }
    }
}

#[derive(ApiResponse)]
pub(crate) enum AliveAnswer {
    /// The process is there.
    #[oai(status = 200)]
    Alive(Json<Alive>),
}

#[derive(ApiResponse)]
pub(crate) enum ReadyAnswer {
    /// Database, schema and queue are there.
    #[oai(status = 200)]
    Ready(Json<Ready>),
    /// Something is missing; `errors` names it. Webhooks may still be accepted: they need only the
    /// database.
    #[oai(status = 503, content_type = "application/problem+json")]
    NotReady(
        Json<Problem>,
        /// Seconds to wait.
        #[oai(header = "Retry-After")]
        u32,
    ),
}

#[OpenApi]
impl Health {
    /// Health
    ///
    /// Answers while the process runs. Touches neither database nor queue.
    #[oai(
        path = "/",
        method = "get",
        tag = "Tag::Health",
        operation_id = "getHealth"
    )]
    async fn health(&self) -> AliveAnswer {
        alive()
    }

    /// Liveness
    ///
    /// The same as `/`, under the name that orchestrators ask for.
    #[oai(
        path = "/healthz",
        method = "get",
        tag = "Tag::Health",
        operation_id = "getLiveness"
    )]
    async fn liveness(&self) -> AliveAnswer {
        alive()
    }

    /// Readiness
    ///
    /// Whether a write to the database succeeds, its schema is the one this version needs, the queue is
    /// connected, and the process is not about to stop. What is wrong with a source's configuration is named, but does not
    /// make the process unready: what was read before stands.
    #[oai(
        path = "/readyz",
        method = "get",
        tag = "Tag::Health",
        operation_id = "getReadiness"
    )]
    async fn readiness(&self, peer: &RemoteAddr) -> ReadyAnswer {
        if self
            .drain
            .asked(peer.as_socket_addr().map(|peer| peer.ip()))
        {
            let stopping = vec![FieldError::new("process", "is stopping")];
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "send no more to this one");
            return ReadyAnswer::NotReady(problem.with_errors(stopping).json(), RETRY_AFTER_SECS);
        }
        let mut missing = Vec::new();
        if let Err(lack) = self.database.look().await {
            missing.push(lack.into());
        }
        if let Some(Err(error)) = self.file.as_ref().map(FileWatch::look) {
            tracing::warn!(event = "not_ready", %error, "not ready: the database is not in its place");
            missing.push(FieldError::new("database", "is not in its place"));
        }
        if !self.queue.is_up() {
            let reason = match self.queue.denied() {
                Some(denied) => format!("is not connected: the broker refuses {denied}"),
                None => "is not connected; connecting again".into(),
            };
            missing.push(FieldError::new("queue", reason));
        }
        let sources = self.gate.sources();
        let faults = sources
            .faults()
            .iter()
            .map(|fault| FieldError::new("sources", fault));
        if missing.is_empty() {
            return ReadyAnswer::Ready(Json(Ready::but(faults.collect())));
        }
        missing.extend(faults);
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not everything is there");
        ReadyAnswer::NotReady(problem.with_errors(missing).json(), RETRY_AFTER_SECS)
    }
}

fn alive() -> AliveAnswer {
    AliveAnswer::Alive(Json(Alive::at(OffsetDateTime::now_utc())))
}

//! `GET /`, `/healthz`, `/readyz`: is it there, is it alive, can it work.

mod probe;

use std::sync::Arc;

use poem::{http::StatusCode, web::RemoteAddr};
use poem_openapi::{ApiResponse, OpenApi};
use queue::Queue;
use sea_orm::DatabaseConnection;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{
    Drain, FileWatch, Sources, Tokens,
    json::Json,
    problem::{FieldError, Problem, RETRY_AFTER_SECS},
    wire::{Alive, Ready, Tag},
};
use probe::Probe;

/// What a process needs to do its work, as far as its role needs it.
#[derive(Clone)]
pub struct Needs {
    pub db: DatabaseConnection,
    /// Whether that is found out by writing. A consumer writes all the time: its lease says as much.
    pub writes: bool,
    /// The SQLite file, if the database is one.
    pub file: Option<FileWatch>,
    pub queue: Queue,
    /// Whether the process is about to stop.
    pub drain: Drain,
    /// Whose faults are told, if there are any sources.
    pub sources: Option<watch::Receiver<Arc<Sources>>>,
    /// Whose faults are told.
    pub tokens: watch::Receiver<Arc<Tokens>>,
    /// Whether the consumer may work, if there is one that is asked about.
    pub lease: Option<watch::Receiver<bool>>,
}

pub(crate) struct Health {
    database: Probe,
    needs: Needs,
}

impl Health {
    pub(crate) fn new(needs: Needs) -> Self {
        Self {
            database: Probe::new(needs.db.clone(), needs.writes),
            needs,
        }
    }

    /// What is missing now.
    async fn missing(&self) -> Vec<FieldError> {
        let mut missing = Vec::new();
        if let Err(lack) = self.database.look().await {
            missing.push(lack.into());
        }
        if let Some(Err(error)) = self.needs.file.as_ref().map(FileWatch::look) {
            tracing::warn!(event = "not_ready", %error, "not ready: the database is not in its place");
            missing.push(FieldError::new("database", "is not in its place"));
        }
        if !self.needs.queue.is_up() {
            let reason = match self.needs.queue.denied() {
                Some(denied) => format!("is not connected: the broker refuses {denied}"),
                None => "is not connected; connecting again".into(),
            };
            missing.push(FieldError::new("queue", reason));
        }
        if let Some(lease) = &self.needs.lease
            && !*lease.borrow()
        {
            missing.push(FieldError::new("lease", "is not held; trying to get one"));
        }
        missing
    }

    /// What was last good stands, and a restart would fail.
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if let Some(sources) = &self.needs.sources {
            let sources = sources.borrow();
            let sentences = sources.faults().iter();
            faults.extend(sentences.map(|fault| FieldError::new("sources", fault)));
        }
        let tokens = self.needs.tokens.borrow();
        let sentences = tokens.faults().iter();
        faults.extend(sentences.map(|fault| FieldError::new("tokens", fault)));
        faults
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
    /// connected, and the process is not about to stop. What is wrong with a source's configuration, or with a file of
    /// tokens, is named, but does not make the process unready: what was read before stands.
    #[oai(
        path = "/readyz",
        method = "get",
        tag = "Tag::Health",
        operation_id = "getReadiness"
    )]
    async fn readiness(&self, peer: &RemoteAddr) -> ReadyAnswer {
        let peer = peer.as_socket_addr().map(|peer| peer.ip());
        if self.needs.drain.asked(peer) {
            let stopping = vec![FieldError::new("process", "is stopping")];
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "send no more to this one");
            return ReadyAnswer::NotReady(problem.with_errors(stopping).json(), RETRY_AFTER_SECS);
        }
        let (mut missing, faults) = (self.missing().await, self.faults());
        if missing.is_empty() {
            return ReadyAnswer::Ready(Json(Ready::but(faults)));
        }
        missing.extend(faults);
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not everything is there");
        ReadyAnswer::NotReady(problem.with_errors(missing).json(), RETRY_AFTER_SECS)
    }
}

fn alive() -> AliveAnswer {
    AliveAnswer::Alive(Json(Alive::at(OffsetDateTime::now_utc())))
}

//! The work over HTTP: tells downstream about a transaction and hears what came of it. Knows the
//! request, the answer and what the answer means; knows no database, no queue and no schedule.
//!
//! ```text
//! call ─▶ request ─▶ client ─▶ pool ─────────────────────▶ connection ─▶ answer ─▶ verdict, signal
//!                           └▶ connect: resolver ─▶ race ─▶ │ tap: what came, byte by byte
//!                                                           └ not understood: raw, a status line at least
//! ```

mod address;
mod answer;
mod client;
mod connect;
mod connection;
mod error;
mod pool;
mod progress;
mod race;
mod raw;
mod request;
mod resolver;
mod shortage;
mod signature;
mod silence;
mod tap;
#[cfg(test)]
mod tests;

use std::{fmt, future::pending, panic::resume_unwind, sync::Arc, time::Duration};

use entity::{
    Outcome,
    lifecycle::{Attempt, Job},
};
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::signal::Signal;
use address::Address;
use answer::{Answer, Verdict};
use client::Client;
use connect::Roots;
pub use error::Error;
pub use hyper::HeaderMap;
use pool::Limits;
use progress::{Progress, Stage};
use signature::Secret;
use silence::{Silence, span};

/// What a process needs to know about downstream.
pub struct Settings {
    /// Where the transactions are posted to; `http://` or `https://`, perhaps with a user and a password.
    pub url: String,
    /// Signs the requests, if there is one: `whsec_` and base64.
    pub secret: Option<String>,
    /// From the attempt's beginning to the end of the answer's body.
    pub timeout: Duration,
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct Called {
    /// What it means for its transaction.
    pub attempt: Attempt,
    /// What it means for the calls after it.
    pub signal: Signal,
}

/// Downstream. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Downstream(Arc<Inner>);

struct Inner {
    client: Client,
    address: Address,
    secret: Option<Secret>,
    timeout: Duration,
}

impl Downstream {
    /// Checks the settings. Connects to nothing yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        Self::with(settings, Roots::System, Limits::USUAL)
    }

    fn with(settings: Settings, roots: Roots, limits: Limits) -> Result<Self, Error> {
        let address = Address::parse(&settings.url)?;
        let secret = settings.secret.as_deref().map(Secret::parse).transpose()?;
        let client = Client::new(&address, roots, limits)?;
        Ok(Self(Arc::new(Inner {
            client,
            address,
            secret,
            timeout: settings.timeout,
        })))
    }

    /// Whether it takes connections: makes one, and asks nothing over it. An error says why not.
    pub async fn reach(&self) -> Result<(), String> {
        let Inner {
            client, timeout, ..
        } = &*self.0;
        let reached = tokio::time::timeout(*timeout, client.reach()).await;
        reached
            .unwrap_or(Err(Silence::TimedOut(*timeout)))
            .map_err(|silence| silence.to_string())
    }

    /// Where it is: the host, the port, and the URL without its login and its query, which may be secrets.
    pub fn place(&self) -> (String, u16, String) {
        let address = &self.0.address;
        (address.host().to_owned(), address.port(), address.url())
    }

    /// Makes one attempt. Never fails: whatever happens is an outcome. Dropping the future gives the attempt
    /// up, and the connection with it.
    ///
    /// It runs as a task of its own: setting up TLS takes time, and whoever waits for many calls at once has
    /// other things to do meanwhile.
    pub(crate) fn call(
        &self,
        job: Arc<Job>,
        traceparent: Option<String>,
    ) -> impl Future<Output = Called> + Send + use<> {
        let downstream = self.0.clone();
        async move {
            let call = tokio::spawn(async move { downstream.attempt(job, traceparent).await });
            match AbortOnDropHandle::new(call).await {
                Ok(called) => called,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The runtime ends, and everything that waits ends with it.
                    Err(_) => pending().await,
                },
            }
        }
    }
}

/// Says nothing of its settings: they contain secrets.
impl fmt::Debug for Downstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downstream").finish_non_exhaustive()
    }
}

impl Downstream {
    /// Posts a document, signed as calls are; whatever is answered with a 2xx has been taken. It may be dropped, and the
    /// connection with it.
    ///
    /// # Errors
    /// In a few words, why it was not taken.
    pub async fn tell(&self, id: Uuid, json: Vec<u8>) -> Result<(), String> {
        let Self(inner) = self;
        let request = request::telling(
            &inner.address,
            inner.secret.as_ref(),
            (id, OffsetDateTime::now_utc()),
            json.into(),
        );
        inner.hand_over(request).await.map_err(|(why, _)| why)
    }

    /// Posts bytes that are whatever `headers` say, unsigned; whatever is answered with a 2xx has been taken. It may be dropped,
    /// and the connection with it.
    ///
    /// # Errors
    /// In a few words, why it was not taken, and whether it may be another time.
    pub async fn post(&self, headers: &HeaderMap, body: Vec<u8>) -> Result<(), (String, bool)> {
        let Self(inner) = self;
        let request = request::posting(&inner.address, headers, body.into());
        inner.hand_over(request).await
    }
}

impl Inner {
    /// An error says why it was not taken, and whether it may be another time.
    async fn hand_over(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
    ) -> Result<(), (String, bool)> {
        let answer = match request {
            Ok(request) => self.exchange(&request).await,
            Err(error) => Err(error.into()),
        };
        let verdict = match answer {
            Ok(answer) => answer.verdict(OffsetDateTime::now_utc()),
            Err(silence) => Verdict::of_silence(&silence),
        };
        match (verdict.outcome, verdict.error) {
            (Outcome::Succeeded, _) => Ok(()),
            (outcome, error) => Err((error.unwrap_or_default(), outcome == Outcome::Failed)),
        }
    }

    async fn attempt(&self, job: Arc<Job>, traceparent: Option<String>) -> Called {
        let started_at = OffsetDateTime::now_utc();
        let began = Instant::now();
        let asked = self.ask(&job, started_at, traceparent.as_deref());
        let verdict = match asked.await {
            Ok(answer) => answer.verdict(OffsetDateTime::now_utc()),
            Err(silence) => Verdict::of_silence(&silence),
        };
        Called {
            attempt: Attempt {
                id: job.id,
                number: job.attempt,
                started_at,
                took: began.elapsed(),
                outcome: verdict.outcome,
                status: verdict.status,
                error: verdict.error,
                retry_after: verdict.retry_after,
            },
            signal: verdict.signal,
        }
    }

    async fn ask(
        &self,
        job: &Arc<Job>,
        now: OffsetDateTime,
        traceparent: Option<&str>,
    ) -> Result<Answer, Silence> {
        let to = (&self.address, self.secret.as_ref());
        let request = request::build(to, job, now, traceparent)?;
        self.exchange(&request).await
    }

    async fn exchange(&self, request: &Request<Full<Bytes>>) -> Result<Answer, Silence> {
        let mut progress = Progress::default();
        let exchange = self.client.exchange(request, &mut progress);
        let ended = timeout(self.timeout, exchange).await;
        let stage = progress.stage;
        match (progress.into_answer(), ended) {
            // A status that has come is the answer, whatever becomes of the rest.
            (Some(answer), _) => Ok(answer),
            (None, Ok(Err(silence))) => Err(silence),
            (None, _) if stage == Stage::Resolving => {
                let waited = span(&self.timeout);
                Err(Silence::Here(format!("no address within {waited}")))
            }
            (None, _) => Err(Silence::TimedOut(self.timeout)),
        }
    }
}

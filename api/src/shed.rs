//! Load shedding: a webhook that would be answered too late gets its 503 here, before anything is done for it.
//!
//! This stands before poem and the routes: under overload these answers are most of the work, and a request that is not
//! converted and routed leaves its time to those that are let in.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use entity::name::BUILT_IN;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Body, Bytes},
    header::{self, HeaderValue},
};
use poem::http::StatusCode;
use tokio::sync::watch;

use crate::{
    Sources,
    admission::Admission,
    json::BODY_BYTES_MAX,
    lane::Lane,
    metrics::{Outcome, SourceMetrics},
    paths,
    problem::{self, Problem},
    writer::{NotCommitted, Writer},
};

/// From a refused request's head to the end of its body. Usually that is here already, or in a moment; whoever is slower
/// is better off with a new connection.
const BODY_WITHIN: Duration = Duration::from_millis(100);
/// Nobody is kept for less.
const HOLD_MIN: Duration = Duration::from_millis(10);

/// Asks the [`Admission`] about every webhook.
#[derive(Clone)]
pub(crate) struct Shedder {
    admission: Admission,
    writer: Writer,
    sources: watch::Receiver<Arc<Sources>>,
    /// The body of every 503.
    refusal: Bytes,
}

impl Shedder {
    pub(crate) fn new(
        admission: Admission,
        writer: Writer,
        sources: watch::Receiver<Arc<Sources>>,
    ) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Problem::new(status, NotCommitted::TooMuch.to_string());
        Self {
            admission,
            writer,
            sources,
            refusal: problem.to_bytes().into(),
        }
    }

    /// Whether the request is a webhook that would be answered too late. It sheds nothing else.
    pub(crate) fn sheds<B>(&self, request: &Request<B>) -> bool {
        if request.method() != Method::POST {
            return false;
        }
        paths::source(request.uri().path()).is_some_and(|source| {
            let lane = self.lane(&source);
            !self.admission.admits(lane, self.writer.ahead(lane))
        })
    }

    /// Where the source's webhooks wait.
    fn lane(&self, source: &str) -> Lane {
        if source == BUILT_IN {
            return Lane::BUILT_IN;
        }
        let sources = self.sources.borrow();
        let sender = sources.get(source);
        sender.map_or(Lane::UNKNOWN, |sender| Lane::of(&sender.name))
    }

    /// The answer to what it sheds. It comes the later, the busier the threads are: whoever sends again as soon as
    /// there is one would otherwise leave no time for anything else.
    ///
    /// The connection is left in good order: either what the request announced has been read, or the answer says that the
    /// connection ends with it. The sender would otherwise send the next webhook into a connection that is just being
    /// closed.
    pub(crate) async fn refuse(
        &self,
        request: Request<impl Body>,
    ) -> Response<BoxBody<Bytes, io::Error>> {
        let began = Instant::now();
        let source = self.metrics(request.uri().path());
        let is_read = discard(request).await;
        let hold = self.admission.with(|controller, now| controller.hold(now));
        // A timer's grain is a millisecond: less is not worth one.
        if hold >= HOLD_MIN {
            tokio::time::sleep(hold).await;
        }
        let body = Full::new(self.refusal.clone()).map_err(|never| match never {});
        let mut response = Response::new(body.boxed());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(problem::CONTENT_TYPE);
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::RETRY_AFTER, self.admission.retry_after().into());
        if !is_read {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(source) = source {
            source.came_to(Outcome::Shed, 1);
            source.answered(response.status(), began.elapsed());
        }
        response
    }

    /// What is counted of the source that a path names, if there is such a one.
    fn metrics(&self, path: &str) -> Option<Arc<SourceMetrics>> {
        let name = paths::source(path)?;
        let sources = self.sources.borrow();
        match &*name {
            BUILT_IN => Some(sources.built_in_metrics().clone()),
            name => sources.known(name).map(|(_, metrics)| metrics.clone()),
        }
    }
}

/// Reads the body and throws it away, if a short one is announced. Returns whether that has worked.
async fn discard(request: Request<impl Body>) -> bool {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let is_short = length.is_some_and(|length: usize| length <= BODY_BYTES_MAX);
    // Whoever asks whether to send a body has not sent it yet.
    if !is_short || headers.contains_key(header::EXPECT) {
        return false;
    }
    let mut body = std::pin::pin!(request.into_body());
    let read = async {
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(BODY_WITHIN, read)
        .await
        .unwrap_or(false)
}

#[cfg(test)]
mod tests;

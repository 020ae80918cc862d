//! `/v1/webhooks/{source}`: where every source but the built-in one sends its webhooks.
//!
//! Nothing parses, looks up or writes anything before the bytes are proven as they came.

mod answer;
mod headers;
mod raw_body;
mod webhooks;

use std::{sync::Arc, time::Instant};

use entity::Webhook;
use poem::{Body, Error, Request, http::StatusCode};
use poem_openapi::{OpenApi, param::Path};
use source::{Reply, Verdict};
use trace::Tracer;

use crate::{
    BUILT_IN, Sender, Sources,
    admission::Admission,
    arrival::Arrival,
    body::{self, BodyError},
    gate::Gate,
    lane::Lane,
    look_up::example_source,
    metrics::{Outcome, SourceMetrics},
    paths,
    space::Space,
    wire::Tag,
    writer::{Group, NotCommitted, Writer},
};
use answer::Answer;
use raw_body::RawBody;

pub(crate) struct Door {
    pub(crate) writer: Writer,
    pub(crate) admission: Admission,
    pub(crate) gate: Gate,
    pub(crate) space: Space,
    pub(crate) tracer: Tracer,
}

#[OpenApi]
impl Door {
    /// Receive a source's webhook
    ///
    /// Proves that the request is its sender's, commits its events, one transaction for each, and answers as the sender
    /// expects. May be sent again any number of times, and is answered the same.
    #[oai(
        path = "/v1/webhooks/:source",
        method = "post",
        tag = "Tag::Webhooks",
        operation_id = "sendEvent"
    )]
    async fn receive(
        &self,
        request: &Request,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
        body: RawBody,
    ) -> poem::Result<Answer> {
        self.enter(request, &source.0, Some(body.0)).await
    }

    /// Ask an address whether it is the right one
    ///
    /// Some senders ask so before they send anything. They are answered as they expect, and nothing is stored.
    #[oai(
        path = "/v1/webhooks/:source",
        method = "get",
        tag = "Tag::Webhooks",
        operation_id = "askSource"
    )]
    async fn ask(
        &self,
        request: &Request,
        /// The name of the source, as it is configured.
        #[oai(example = "example_source")]
        source: Path<String>,
    ) -> poem::Result<Answer<true>> {
        self.enter(request, &source.0, None).await
    }

    /// Whether anybody is there
    #[oai(path = "/v1/webhooks/:source", method = "head", hidden)]
    async fn probe(&self, request: &Request, source: Path<String>) -> poem::Result<Answer<true>> {
        self.enter(request, &source.0, None).await
    }
}

/// What a request turned out to be.
enum Entry {
    Events(Option<Vec<Webhook>>),
    Question(Reply),
    Refused(u16),
}

impl Door {
    async fn enter<const ASKED: bool>(
        &self,
        request: &Request,
        name: &str,
        body: Option<Body>,
    ) -> poem::Result<Answer<ASKED>> {
        let sources = self.gate.sources();
        let known = sources.known(name);
        let known = known.filter(|(sender, _)| sender.name != BUILT_IN);
        let (sender, metrics) = known.ok_or(Error::from_status(StatusCode::NOT_FOUND))?;
        let asked = Instant::now();
        let is_webhook = body.is_some();
        let answer = (self.answer((&sources, sender, metrics), request, body, asked)).await?;
        if is_webhook {
            metrics.answered(answer.status(), asked.elapsed());
        }
        Ok(answer)
    }

    async fn answer<const ASKED: bool>(
        &self,
        (sources, sender, metrics): (&Sources, &Sender, &Arc<SourceMetrics>),
        request: &Request,
        body: Option<Body>,
        asked: Instant,
    ) -> poem::Result<Answer<ASKED>> {
        let mut place = self.space.place(Lane::of(&sender.name));
        let bytes = match body {
            Some(body) => match body::check_coding(request.headers()) {
                Ok(()) => body::read(body, sender.body_bytes_max, |bytes| place.grow(bytes)).await,
                Err(error) => Err(error),
            },
            None => Ok(Vec::new()),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                metrics.came_to(
                    match error {
                        BodyError::NoSpace => Outcome::Shed,
                        _ => Outcome::Invalid,
                    },
                    1,
                );
                return Ok(Answer::unread(error, self.admission.retry_after()));
            }
        };
        let read = Instant::now();
        let judge = (sources, sender, &**metrics);
        let entry = (self.gate).judge(judge, request, &bytes, |verdict| {
            entry(sender, request, verdict)
        });
        match entry {
            Entry::Events(Some(webhooks)) => {
                let answered = (paths::OF_A_SOURCE, sender.source.answer().status);
                let arrival = Arrival::of(&self.tracer, request, asked, answered);
                (self.commit((sender, metrics), (webhooks, arrival), (asked, read))).await
            }
            Entry::Events(None) => {
                metrics.came_to(Outcome::Invalid, 1);
                Ok(self.not_committed(NotCommitted::Refused))
            }
            Entry::Question(reply) => Ok(Answer::reply(&reply)),
            Entry::Refused(405) => Err(Error::from_status(StatusCode::METHOD_NOT_ALLOWED)),
            Entry::Refused(status) => Ok(Answer::refused(status, self.admission.retry_after())),
        }
    }

    /// Answers when all are committed. The first time and each time after the sender is answered the same.
    async fn commit<const ASKED: bool>(
        &self,
        (sender, metrics): (&Sender, &Arc<SourceMetrics>),
        (webhooks, arrival): (Vec<Webhook>, Option<Box<Arrival>>),
        (asked, read): (Instant, Instant),
    ) -> poem::Result<Answer<ASKED>> {
        if let Some(webhooks) = Group::of(webhooks) {
            let due = (self.admission).with(|controller, _| controller.due(asked, read));
            let received = (self.writer).receive(webhooks, due, metrics, arrival);
            if let Err(why) = received.await {
                if why == NotCommitted::Refused {
                    metrics.came_to(Outcome::Invalid, 1);
                }
                return Ok(self.not_committed(why));
            }
        }
        Ok(Answer::reply(sender.source.answer()))
    }

    fn not_committed<const ASKED: bool>(&self, why: NotCommitted) -> Answer<ASKED> {
        Answer::not_committed(why, self.admission.retry_after())
    }
}

fn entry(sender: &Sender, request: &Request, verdict: Verdict<'_>) -> Entry {
    match verdict {
        Verdict::Genuine(events) => {
            Entry::Events(webhooks::webhooks(sender, request.headers(), events))
        }
        Verdict::Handshake(reply) => Entry::Question(reply),
        Verdict::Refused(refusal) => Entry::Refused(refusal.status),
    }
}

#[cfg(test)]
mod tests;

//! What the span of an arrival needs to know, where anything is traced: it is recorded when it is known which row the webhook
//! has become, or stands for.

use std::time::{Instant, SystemTime};

use entity::lifecycle::{Receipt, Received};
use poem::Request;
use trace::{Kind, Remote, Span, Tracer};

use crate::metrics::Outcome;

const TRACEPARENT: &str = "traceparent";

/// A request with webhooks that waits for their commit.
#[derive(Debug)]
pub(crate) struct Arrival {
    tracer: Tracer,
    began: SystemTime,
    route: &'static str,
    path: String,
    /// What it is answered if all is committed.
    status: u16,
    /// The sender's own span.
    link: Option<Remote>,
}

impl Arrival {
    /// Of a request that has been waited for since `asked`. `None` if nothing is traced.
    pub(crate) fn of(
        tracer: &Tracer,
        request: &Request,
        asked: Instant,
        (route, status): (&'static str, u16),
    ) -> Option<Box<Self>> {
        tracer.is_on().then(|| {
            let now = SystemTime::now();
            let mut links = request.headers().get_all(TRACEPARENT).iter();
            let link = links.next().filter(|_| links.next().is_none());
            Box::new(Self {
                tracer: tracer.clone(),
                began: now.checked_sub(asked.elapsed()).unwrap_or(now),
                route,
                path: request.uri().path().to_owned(),
                status,
                link: link.and_then(|link| Remote::parse(link.to_str().ok()?)),
            })
        })
    }

    /// What it has brought has come to these receipts; it `is_answered` unless its sender has gone, or was told to come again.
    pub(crate) fn committed<'r>(
        &self,
        received: &'r [Received],
        receipts: impl Iterator<Item = Option<&'r Receipt>>,
        is_answered: bool,
    ) {
        for (received, receipt) in received.iter().zip(receipts) {
            if let Some(receipt) = receipt {
                self.record(received, receipt, is_answered);
            }
        }
    }

    fn record(&self, received: &Received, receipt: &Receipt, is_answered: bool) {
        let row = match receipt {
            Receipt::New => received.id,
            Receipt::Duplicate { id, .. } => *id,
        };
        if !self.tracer.keeps(row) {
            return;
        }
        let name = format!("POST {}", self.route);
        let span = match receipt {
            Receipt::New => Span::arrival(row, name, self.began),
            Receipt::Duplicate { .. } => Span::new(row, Kind::Server, name, self.began),
        };
        let webhook = &received.webhook;
        let span = (span.linked(self.link))
            .with("http.request.method", "POST")
            .with("http.route", self.route)
            .with("url.path", self.path.clone())
            .with("url.scheme", "http")
            .with("hookline.source", webhook.source.to_string())
            .with(
                "hookline.transaction_id",
                webhook.transaction_id.as_ref().to_owned(),
            )
            .with("hookline.outcome", Outcome::of(receipt).name());
        self.tracer.record(match is_answered {
            true => span.with("http.response.status_code", self.status),
            false => span,
        });
    }
}

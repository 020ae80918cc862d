//! Where spans are made, and where they wait.

use std::{sync::Arc, time::SystemTime};

use meter::Registry;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{Kind, Sampler, Span, SpanId, Value, counts::Counts, remote::traceparent};

/// Whoever has one may record spans. Cheap to clone. The default one is off: it computes nothing.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    sampler: Sampler,
    queue: Destination,
    spans: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

/// Which traces are kept, and where messages go.
pub struct Settings {
    pub sampler: Sampler,
    pub queue: Destination,
    /// Spans that may wait for their export.
    pub room: usize,
}

/// The queue, as spans name it.
#[derive(Clone, Debug)]
pub struct Destination {
    pub name: String,
    /// What is known of every message.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The other end: spans that wait for their export.
pub struct Waiting {
    pub(crate) spans: mpsc::Receiver<Span>,
    pub(crate) counts: Arc<Counts>,
}

/// A tracer that is on, and where its spans wait.
pub fn channel(settings: Settings, registry: &Registry) -> (Tracer, Waiting) {
    let (sender, spans) = mpsc::channel(settings.room);
    let counts = Arc::new(Counts::default());
    registry.add(counts.clone());
    let tracer = Tracer(Some(Arc::new(Inner {
        sampler: settings.sampler,
        queue: settings.queue,
        spans: sender,
        counts: counts.clone(),
    })));
    (tracer, Waiting { spans, counts })
}

impl Tracer {
    /// Whether anything is traced at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the spans of this row are kept.
    pub fn keeps(&self, row: Uuid) -> bool {
        (self.0.as_ref()).is_some_and(|inner| inner.sampler.keeps(row))
    }

    /// What is sent on with what this span causes; nothing if nothing is traced.
    pub fn traceparent(&self, row: Uuid, span: SpanId) -> Option<String> {
        (self.is_on()).then(|| traceparent(row, span, self.keeps(row)))
    }

    /// What is done with the message that names this row, in one word (`operation`) and as conventions have it (`kind`, and the
    /// type); it ends now.
    pub fn message(
        &self,
        row: Uuid,
        (kind, operation, operation_type): (Kind, &'static str, &'static str),
        began: SystemTime,
    ) -> Span {
        let Some(inner) = &self.0 else {
            return Span::new(row, kind, operation, began);
        };
        let Destination { name, attributes } = &inner.queue;
        Span::new(row, kind, format!("{operation} {name}"), began)
            .with_all(attributes)
            .with("messaging.operation.name", operation)
            .with("messaging.operation.type", operation_type)
            .with("messaging.message.id", row.to_string())
    }

    /// Hands a span over for its export, if its trace is kept and there is room. Never waits.
    pub fn record(&self, span: Span) {
        let Some(inner) = &self.0 else {
            return;
        };
        if inner.sampler.keeps(span.row) && inner.spans.try_send(span).is_err() {
            inner.counts.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(sampler: &str, room: usize) -> (Tracer, Waiting) {
        let settings = Settings {
            sampler: Sampler::parse(sampler, None).unwrap(),
            queue: Destination {
                name: "q".into(),
                attributes: Vec::new(),
            },
            room,
        };
        channel(settings, &Registry::default())
    }

    fn span() -> Span {
        Span::arrival(Uuid::now_v7(), "POST", SystemTime::now())
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted() {
        let (tracer, mut waiting) = on("always_on", 3);
        for _ in 0..5 {
            tracer.record(span());
        }
        assert_eq!(waiting.counts.dropped.get(), 2);
        assert!(waiting.spans.try_recv().is_ok());
        tracer.record(span());
        assert_eq!(waiting.counts.dropped.get(), 2);
    }

    #[test]
    fn what_is_not_kept_takes_no_room_and_is_told_so() {
        let (tracer, mut waiting) = on("always_off", 1);
        let row = Uuid::now_v7();
        tracer.record(span());
        assert!(waiting.spans.try_recv().is_err());
        assert_eq!(waiting.counts.dropped.get(), 0);
        let told = tracer.traceparent(row, SpanId::random()).unwrap();
        assert!(told.ends_with("-00"), "{told}");
    }

    #[test]
    fn what_is_off_tells_nothing() {
        let tracer = Tracer::default();
        assert!(!tracer.is_on() && !tracer.keeps(Uuid::now_v7()));
        assert_eq!(tracer.traceparent(Uuid::now_v7(), SpanId::random()), None);
        tracer.record(span());
    }
}

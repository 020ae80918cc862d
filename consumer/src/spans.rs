//! The spans of a consumer, where anything is traced: one of each run, from the taking of its id to the commit of what came of
//! it, and below it one of each call.

use std::{borrow::Cow, collections::HashMap, time::SystemTime};

use entity::{
    Outcome, Verdict,
    lifecycle::{Job, Record, Transition},
};
use trace::{Kind, Span, SpanId, Tracer, Value};
use uuid::Uuid;

use crate::work::{Work, http::Called, signal::Signal};

pub(crate) struct Spans {
    tracer: Tracer,
    /// What is in hand.
    runs: HashMap<Uuid, Run>,
    /// What is known of every call.
    downstream: Vec<(&'static str, Value)>,
}

struct Run {
    id: SpanId,
    began: SystemTime,
    /// The call under way, or the last.
    call: SpanId,
    /// What that has failed with.
    error: Option<Cow<'static, str>>,
}

impl Run {
    fn new() -> Self {
        Self {
            id: SpanId::random(),
            began: SystemTime::now(),
            call: SpanId::random(),
            error: None,
        }
    }
}

impl Spans {
    pub(crate) fn new(tracer: Tracer, work: &Work) -> Self {
        let downstream = match work {
            Work::Http(downstream) if tracer.is_on() => {
                let (host, port, url) = downstream.place();
                vec![
                    ("http.request.method", "POST".into()),
                    ("server.address", host.into()),
                    ("server.port", port.into()),
                    ("url.full", url.into()),
                ]
            }
            _ => Vec::new(),
        };
        Self {
            tracer,
            runs: HashMap::new(),
            downstream,
        }
    }

    /// The work on these begins, or waits for the circuit.
    pub(crate) fn taken(&mut self, ids: &[Uuid]) {
        if !self.tracer.is_on() {
            return;
        }
        let kept = ids.iter().filter(|id| self.tracer.keeps(**id));
        self.runs.extend(kept.map(|id| (*id, Run::new())));
    }

    /// A call begins. Returns what downstream is told of it, if anything is.
    pub(crate) fn calling(&mut self, id: Uuid) -> Option<String> {
        if !self.tracer.is_on() {
            return None;
        }
        let call = SpanId::random();
        if let Some(run) = self.runs.get_mut(&id) {
            run.call = call;
        }
        self.tracer.traceparent(id, call)
    }

    /// A call has ended.
    pub(crate) fn called(&mut self, called: &Called, job: &Job) {
        let Some(run) = self.runs.get_mut(&job.id) else {
            return;
        };
        let attempt = &called.attempt;
        run.error = error(called);
        let began = SystemTime::from(attempt.started_at);
        let mut span = Span::new(job.id, Kind::Client, "POST", began)
            .id(run.call)
            .below(run.id)
            .until(began + attempt.took)
            .with_all(&self.downstream)
            .with("hookline.source", job.webhook.source.to_string())
            .with("hookline.attempt", attempt.number);
        if attempt.number > 1 {
            span = span.with("http.request.resend_count", attempt.number - 1);
        }
        if let Some(status) = attempt.status {
            span = span.with("http.response.status_code", status);
        }
        self.tracer.record(match run.error.clone() {
            Some(error) => span.failed(error),
            None => span,
        });
    }

    /// What came of the work is committed.
    pub(crate) fn recorded(&mut self, records: &[Record]) {
        if self.runs.is_empty() {
            return;
        }
        for Record { id, next, .. } in records {
            let (outcome, verdict) = match next {
                // It goes on.
                Transition::Hold { .. } => continue,
                Transition::Processed => ("processed", None),
                Transition::Retry { .. } => ("retry", None),
                Transition::Failed { verdict, .. } => ("failed", Some(name(*verdict))),
                Transition::ReplayFailed { verdict, .. } => ("replay_failed", Some(name(*verdict))),
            };
            if let Some(run) = self.runs.remove(id) {
                let error = verdict.map(Into::into).or_else(|| run.error.clone());
                self.ended(*id, run, outcome, error.filter(|_| outcome != "processed"));
            }
        }
    }

    /// These have left our hands without an outcome of ours: nothing was done about them, or others have them.
    pub(crate) fn left(&mut self, id: Uuid) {
        if !self.runs.is_empty() {
            self.runs.remove(&id);
        }
    }

    /// All that is in hand goes back to the queue: on a stop, or because of an `error`.
    pub(crate) fn handed_back(&mut self, error: Option<&'static str>) {
        for (id, run) in std::mem::take(&mut self.runs) {
            self.ended(id, run, "handed_back", error.map(Into::into));
        }
    }

    fn ended(&self, id: Uuid, run: Run, outcome: &'static str, error: Option<Cow<'static, str>>) {
        let process = (Kind::Consumer, "process", "process");
        let span = (self.tracer.message(id, process, run.began))
            .id(run.id)
            .with("hookline.outcome", outcome);
        self.tracer.record(match error {
            Some(error) => span.failed(error),
            None => span,
        });
    }
}

/// What a call has failed with, in one word: the status, or what became of it otherwise.
fn error(called: &Called) -> Option<Cow<'static, str>> {
    if called.attempt.outcome == Outcome::Succeeded {
        return None;
    }
    let error = match (called.attempt.status, called.signal) {
        (Some(status), _) => status.to_string().into(),
        (None, Signal::Unreachable) => "unreachable".into(),
        (None, Signal::Here) => "not_called".into(),
        (None, _) => "panicked".into(),
    };
    Some(error)
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permanent => "permanent",
        Verdict::Exhausted => "exhausted",
        Verdict::Poison => "poison",
        Verdict::GivenUp => "given_up",
    }
}

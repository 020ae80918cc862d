//! The spans of messages, from their publishing to their confirm, where anything is traced.

use std::{collections::HashMap, time::SystemTime};

use trace::{Kind, Tracer};
use uuid::Uuid;

#[derive(Default)]
pub(super) struct Spans {
    tracer: Tracer,
    /// What is on its way, and since when.
    began: HashMap<Uuid, SystemTime>,
}

impl Spans {
    pub(super) fn new(tracer: Tracer) -> Self {
        Self {
            tracer,
            began: HashMap::new(),
        }
    }

    /// These are on their way.
    pub(super) fn published(&mut self, ids: &[Uuid]) {
        if self.tracer.is_on() {
            let (tracer, now) = (&self.tracer, SystemTime::now());
            let kept = ids.iter().filter(|id| tracer.keeps(**id));
            self.began.extend(kept.map(|id| (*id, now)));
        }
    }

    /// The broker has taken responsibility for these.
    pub(super) fn confirmed(&mut self, ids: &[Uuid]) {
        self.ended(ids, None);
    }

    /// They have not come to that; `why` is one word.
    pub(super) fn failed(&mut self, ids: &[Uuid], why: &'static str) {
        self.ended(ids, Some(why));
    }

    fn ended(&mut self, ids: &[Uuid], error: Option<&'static str>) {
        if self.began.is_empty() {
            return;
        }
        for id in ids {
            if let Some(began) = self.began.remove(id) {
                let publish = (Kind::Producer, "publish", "send");
                let span = self.tracer.message(*id, publish, began);
                self.tracer.record(match error {
                    Some(error) => span.failed(error),
                    None => span,
                });
            }
        }
    }
}

//! The work on what is taken: calls begin as far as the circuit lets them, and what they end with is noted.

use std::sync::Arc;

use entity::lifecycle::{Job, Record, Transition};
use failpoint::Point;
use futures::{FutureExt, StreamExt};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

use super::Consumer;
use crate::{
    circuit::Allowed,
    schedule::Progress,
    work::{Ended, Work, http::Called},
};

impl Consumer {
    /// Begins what has been taken: at once where it is simulated, and as the circuit lets calls through where it is one.
    pub(super) fn begin(&mut self, ids: Vec<Uuid>, jobs: impl Iterator<Item = Job>) {
        match &self.settings.work {
            Work::Simulate { .. } if ids.is_empty() => {}
            Work::Simulate { delay } => self.working.push(Work::simulate(*delay, ids)),
            Work::Http(_) => self.jobs.extend(jobs.map(Arc::new)),
        }
    }

    /// Starts as many calls as the circuit lets through; returns what it says then. None begins without a lease, or in a pause.
    pub(super) fn start_calls(&mut self, now: Instant) -> Allowed {
        let Work::Http(downstream) = &self.settings.work else {
            return Allowed::Calls(usize::MAX);
        };
        let downstream = downstream.clone();
        loop {
            let allowed = self.circuit.allowed(now, self.working.len());
            let may_begin = self.lease.holder().is_some() && !self.is_paused();
            if !matches!(allowed, Allowed::Calls(_)) || !may_begin {
                return allowed;
            }
            let Some((job, room)) = self.next_job() else {
                return allowed;
            };
            self.circuit.started(job.id);
            let whole = self.large.whole(&self.db, job.clone(), room);
            let told = self.spans.calling(job.id);
            self.working
                .push(Work::call(&downstream, job, (whole, told)));
        }
    }

    /// The first for which there is room. Of those with a long body none passes another, or the longest would wait for ever.
    fn next_job(&mut self) -> Option<(Arc<Job>, OwnedSemaphorePermit)> {
        let mut is_first = true;
        let (at, room) = self.jobs.iter().enumerate().find_map(|(at, job)| {
            let may = job.body_left == 0 || std::mem::take(&mut is_first);
            let room = may.then(|| self.large.room(job)).flatten()?;
            Some((at, room))
        })?;
        Some((self.jobs.remove(at)?, room))
    }

    /// Notes what has ended: this one, and the others that have too.
    pub(super) fn on_ended(&mut self, ended: Ended, now: Instant) {
        failpoint::here(Point::ConsumerAtWork);
        let mut next = Some(ended);
        while let Some(ended) = next {
            match ended {
                Ended::Simulated(ids) => {
                    self.records.extend(ids.into_iter().map(Record::processed));
                }
                Ended::Called(called, job) => self.on_called(*called, job, now),
                Ended::Rested(job) if self.is_source_paused(&job.webhook.source) => {
                    self.park(std::iter::once((job.id, job.webhook.source.clone())));
                }
                Ended::Rested(job) => self.jobs.push_front(job),
            }
            next = self.working.next().now_or_never().flatten();
        }
    }

    fn on_called(&mut self, called: Called, job: Arc<Job>, now: Instant) {
        let progress = Progress::from(&*job);
        let charge = self.circuit.ended(&called, progress.is_fresh(), now);
        let of_source = (self.metrics).attempted(&job.webhook.source, &called.attempt);
        self.spans.called(&called, &job);
        let schedule = &self.settings.retries;
        let mut record = schedule.decide(called.attempt, progress, charge);
        if job.replay {
            record.next = of_replay(record.next);
        }
        match record.next {
            Transition::Hold { .. } => {
                self.held.insert(record.id, job);
            }
            // A replay's transaction has ended before.
            Transition::Processed | Transition::Failed { .. } if !job.replay => {
                self.ended.insert(record.id, of_source);
            }
            _ => {}
        }
        self.records.push(record);
    }
}

/// A replay that is given up leaves its transaction as it is.
fn of_replay(next: Transition) -> Transition {
    match next {
        Transition::Failed { verdict, reason } => Transition::ReplayFailed { verdict, reason },
        next => next,
    }
}

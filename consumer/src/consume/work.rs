//! The work on what is taken: calls begin as far as the circuit lets them, and what they end with is noted.

use entity::lifecycle::Next;
use failpoint::Point;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::Consumer;
use crate::{
    circuit::Allowed,
    work::{Ended, Job, Work, http::Called},
};

impl Consumer {
    /// Starts as many calls as the circuit lets through; returns what it says then. None begins without a lease.
    pub(super) fn start_calls(&mut self, now: Instant) -> Allowed {
        let Work::Http(downstream) = &self.settings.work else {
            return Allowed::Calls(usize::MAX);
        };
        loop {
            let allowed = self.circuit.allowed(now, self.working.len());
            if !matches!(allowed, Allowed::Calls(_)) || self.lease.holder().is_none() {
                return allowed;
            }
            let Some(job) = self.orders.pop_front() else {
                return allowed;
            };
            self.circuit.started(job.0.id);
            self.working.push(Work::call(downstream, job));
        }
    }

    /// Notes what has ended: this one, and the others that have too.
    pub(super) fn on_ended(&mut self, ended: Ended) {
        failpoint::here(Point::ConsumerAtWork);
        let now = Instant::now();
        let mut next = Some(ended);
        while let Some(ended) = next {
            match ended {
                Ended::Simulated(ids) => self.done.extend(ids),
                Ended::Called(called, job) => self.on_called(*called, job, now),
                Ended::Rested(job) => self.orders.push_front(job),
            }
            next = self.working.next().now_or_never().flatten();
        }
    }

    fn on_called(&mut self, called: Called, job: Job, now: Instant) {
        let progress = job.progress();
        let charge = self.circuit.ended(&called, progress.is_fresh(), now);
        let schedule = &self.settings.retries;
        let conclusion = schedule.conclude(called.attempt, progress, charge);
        if matches!(conclusion.next, Next::Held { .. }) {
            self.held.insert(conclusion.id, job);
        }
        self.conclusions.push(conclusion);
    }
}

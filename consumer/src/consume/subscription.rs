//! How many deliveries this consumer holds: as many as it can work on. What it cannot work on goes back, to whoever can.

use std::time::Duration;

use entity::lifecycle;
use futures::FutureExt;
use queue::{Deliveries, Settlement};
use uuid::Uuid;

use super::{Consumer, persist::persist};
use crate::{circuit::Appetite, work::Running};

/// When the relay publishes what was released, unless the message that goes back brings it sooner.
pub(super) const RELEASED_FOR: Duration = Duration::from_secs(10);

impl Consumer {
    /// Holds as many deliveries as can be worked on. While none can, others may be able to.
    pub(super) fn subscribe(&mut self, deliveries: &mut Deliveries) {
        let appetite = match self.lease.holder() {
            Some(_) if !self.is_paused() => self.circuit.appetite(),
            _ => Appetite::Nothing,
        };
        match appetite {
            Appetite::Full => deliveries.subscribe(self.settings.prefetch),
            Appetite::Probes(probes) => {
                let probes = u32::try_from(probes).unwrap_or(u32::MAX);
                deliveries.subscribe(probes.min(self.settings.prefetch));
            }
            Appetite::Nothing => {
                self.release_jobs();
                if self.is_at_rest() {
                    // These wait for their turn, which comes with a new delivery now.
                    for id in self.suspects.clear_waiting() {
                        self.settle(id, Settlement::Requeue, Settlement::Requeue)
                            .for_each(drop);
                    }
                    deliveries.subscribe(0);
                }
            }
        }
    }

    /// Whether nothing has been taken that is not at work.
    fn is_at_rest(&self) -> bool {
        self.jobs.is_empty()
            && self.held.is_empty()
            && self.resting.is_empty()
            && self.taking.is_empty()
            && self.releasing.is_empty()
            && self.parking.is_empty()
    }

    /// Gives up what has been taken and not begun, so that others may take it: first in the database, for a message about
    /// what we still hold would mean nothing to them.
    fn release_jobs(&mut self) {
        let Some(holder) = self.lease.holder() else {
            return;
        };
        if (self.jobs.is_empty() && self.resting.is_empty()) || !self.releasing.is_empty() {
            return;
        }
        let resting = std::mem::take(&mut self.resting).into_iter();
        self.jobs.extend(resting.filter_map(Running::into_job));
        let ids: Vec<Uuid> = self.jobs.drain(..).map(|job| job.id).collect();
        let db = self.db.clone();
        let release = async move {
            let release = || lifecycle::release(&db, holder, &ids, RELEASED_FOR);
            persist("release", release).await?;
            Ok(ids)
        };
        self.releasing.push(release.boxed());
    }
}

//! The way out of flight: what has been committed says how its deliveries are settled.

use std::time::SystemTime;

use entity::{
    Status,
    lifecycle::{Record, Transition},
};
use queue::{Deliveries, Delivery, Settlement};
use uuid::Uuid;

use super::{Consumer, Recorded};
use crate::{metrics::age, work::Work};

/// What becomes of deliveries.
pub(super) type Settled = Vec<(Delivery, Settlement)>;

impl Consumer {
    /// Lets go of ids whose outcome has been committed; returns how their deliveries are settled.
    pub(super) fn settle_recorded(&mut self, recorded: Recorded) -> Settled {
        let mut settled = Vec::new();
        match recorded {
            Recorded::All(records) => {
                self.count(&records);
                self.spans.recorded(&records);
                for Record { id, next, .. } in records {
                    if let Some((first, joined)) = self.settlements(id, next) {
                        settled.extend(self.settle(id, first, joined));
                    }
                }
            }
            Recorded::Standing(ids, standing) => {
                for id in ids {
                    self.held.remove(&id);
                    self.ended.remove(&id);
                    let first = match standing.get(&id) {
                        Some(Status::Failed) => Settlement::DeadLetter,
                        // Final, or somebody else's.
                        Some(Status::Processed | Status::Processing) | None => Settlement::Ack,
                    };
                    settled.extend(self.settle(id, first, Settlement::Requeue));
                }
            }
        }
        settled
    }

    /// Counts what is final now.
    fn count(&mut self, records: &[Record]) {
        let (together, now) = (self.metrics.together(), SystemTime::now());
        for Record { id, attempt, next } in records {
            let status = match next {
                Transition::Processed => Status::Processed,
                Transition::Failed { .. } => Status::Failed,
                _ => continue,
            };
            let of_source = match self.ended.is_empty() {
                true => None,
                false => self.ended.remove(id),
            };
            // What was called and is not here is a replay: its transaction has ended before.
            let Some(of_source) = of_source
                .as_ref()
                .or(attempt.is_none().then_some(&together))
            else {
                continue;
            };
            of_source.finished(status, age(*id, now));
            if let Transition::Failed { verdict, .. } = next {
                self.metrics.failed(*verdict);
            }
        }
    }

    /// How an id's first delivery is settled, and those that have joined it; none if the id stays for another attempt.
    fn settlements(&mut self, id: Uuid, next: Transition) -> Option<(Settlement, Settlement)> {
        match next {
            Transition::Hold { rest } => {
                let held = self.held.remove(&id);
                self.resting.extend(held.map(|job| Work::rest(job, rest)));
                None
            }
            // What has joined may be the message that brings the next attempt, or what an operator has asked for meanwhile.
            Transition::Processed | Transition::Retry { .. } => {
                Some((Settlement::Ack, Settlement::Requeue))
            }
            Transition::Failed { verdict, .. } => {
                tracing::error!(event = "transaction_failed", %id, ?verdict, "gave up a transaction: it is FAILED");
                Some((Settlement::DeadLetter, Settlement::Requeue))
            }
            Transition::ReplayFailed { verdict, reason } => {
                tracing::error!(event = "replay_failed", %id, ?verdict, reason, "gave up a replay: its transaction stays PROCESSED");
                Some((Settlement::Ack, Settlement::Requeue))
            }
        }
    }

    /// What has been released in the database goes back to the queue.
    pub(super) fn settle_released(&mut self, ids: Vec<Uuid>) -> Settled {
        let mut settled = Vec::new();
        for id in ids {
            settled.extend(self.settle(id, Settlement::Requeue, Settlement::Requeue));
        }
        settled
    }

    /// Lets go of one id.
    pub(super) fn settle(
        &mut self,
        id: Uuid,
        first: Settlement,
        joined: Settlement,
    ) -> impl Iterator<Item = (Delivery, Settlement)> + use<> {
        self.suspects.forget(id);
        self.spans.left(id);
        self.in_flight.release(id, first, joined)
    }

    /// Stops all work and hands everything back: others may begin on it from now on.
    pub(super) async fn release_all(&mut self, deliveries: &mut Deliveries) {
        tracing::warn!(
            event = "lease_lost",
            in_flight = self.in_flight.len(),
            "consumer could not renew its lease in time; everything in flight goes back to the queue"
        );
        self.circuit.abandoned();
        self.suspects.clear();
        self.jobs.clear();
        self.held.clear();
        self.resting.clear();
        self.working.clear();
        self.records.clear();
        self.ended.clear();
        self.spans.handed_back(Some("lease_lost"));
        // What is under way there repeats itself while the database is away, and is in the lost lease's name.
        self.taking.clear();
        self.recording.clear();
        self.releasing.clear();
        self.parking.clear();
        deliveries
            .settle(self.in_flight.release_all(Settlement::Requeue))
            .await;
        deliveries.subscribe(0);
    }
}

//! The way in: a delivery's id is taken in the database, and says then what becomes of it.

use std::collections::{HashMap, HashSet};

use entity::{
    SourceName, Status, Verdict,
    lifecycle::{self, LOOK_AGAIN_IN, Record, Transition},
};
use failpoint::Point;
use futures::FutureExt;
use queue::{Delivery, Settlement};
use tokio::time::Instant;
use uuid::Uuid;

use super::{CALL_EVERY, Consumer, TakeResult, persist::persist, settle::Settled};
use crate::{
    metrics::Delivered,
    suspects::{CRASHES_MAX, TRUSTED_CRASHES},
};

/// Jobs whose content is read by one statement: their bodies are as long as [`lifecycle::BODY_BYTES_READ`] each, at most, and
/// the statement's time is limited.
const JOBS_READ: usize = 128;

impl Consumer {
    /// Takes deliveries, and in the database those that are new to this process.
    pub(super) fn receive(&mut self, batch: Vec<Delivery>, now: Instant) {
        let received = batch.len();
        let redelivered = batch.iter().filter(|delivery| delivery.redelivered).count();
        self.metrics.redelivered(redelivered);
        let ids: Vec<Uuid> = batch
            .into_iter()
            .filter_map(|delivery| self.in_flight.take(delivery))
            .collect();
        self.metrics
            .delivered(Delivered::Joined, received - ids.len());
        if !ids.is_empty() {
            self.take(ids, TRUSTED_CRASHES, now);
        }
    }

    /// Takes those suspects whose turn it is. Returns whether there are any.
    pub(super) fn take_suspects(&mut self, now: Instant) -> bool {
        let ids = self.suspects.admit(self.settings.prefetch);
        let any = !ids.is_empty();
        if any {
            self.take(ids, i32::MAX, now);
        }
        any
    }

    fn take(&mut self, ids: Vec<Uuid>, crashes_max: i32, now: Instant) {
        let Some(holder) = self.lease.holder() else {
            // It has run out just now; `release_all` hands them back.
            return;
        };
        self.next_take = now + CALL_EVERY;
        let db = self.db.clone();
        let needs_content = self.settings.work.needs_content();
        let needs_sources = self.has_paused_sources();
        let take = async move {
            let take = || lifecycle::take(&db, holder, ids.clone(), crashes_max, LOOK_AGAIN_IN);
            failpoint::here(Point::ConsumerBeforeTake);
            let taken = persist("take", take).await?;
            failpoint::here(Point::ConsumerAfterTake);
            let mut jobs = Vec::new();
            if needs_content {
                for ids in taken.mine.chunks(JOBS_READ) {
                    jobs.extend(persist("read", || lifecycle::jobs(&db, ids)).await?);
                }
            }
            let sources = match needs_sources && !taken.mine.is_empty() {
                true => persist("read", || lifecycle::sources(&db, &taken.mine)).await?,
                false => HashMap::new(),
            };
            Ok(TakeResult {
                holder,
                ids,
                taken,
                jobs,
                sources,
            })
        };
        self.taking.push(take.boxed());
    }

    /// Starts the work on what is ours; returns the settlements of the rest.
    pub(super) fn start_work(&mut self, result: TakeResult) -> Settled {
        let TakeResult {
            holder,
            ids,
            taken,
            jobs,
            sources,
        } = result;
        if self.lease.holder() != Some(holder) {
            // The answer is of no use without the lease, and everything has been handed back.
            return Vec::new();
        }
        let all_mine = taken.mine.len() == ids.len();
        self.metrics.delivered(Delivered::Started, taken.mine.len());
        self.spans.taken(&taken.mine);
        self.metrics
            .delivered(Delivered::Suspect, taken.suspects.len());
        let (poisonous, mine): (Vec<Uuid>, Vec<Uuid>) = taken
            .mine
            .iter()
            .partition(|id| self.suspects.is_poison(**id));
        let mut paused: HashMap<Uuid, SourceName> = sources;
        paused.retain(|_, source| self.is_source_paused(source));
        for job in jobs
            .iter()
            .filter(|job| self.is_source_paused(&job.webhook.source))
        {
            paused.insert(job.id, job.webhook.source.clone());
        }
        paused.retain(|id, _| !poisonous.contains(id));
        let is_to_begin = |id: &Uuid| !paused.contains_key(id);
        let mine: Vec<Uuid> = mine.into_iter().filter(is_to_begin).collect();
        if self.settings.work.needs_content() && jobs.len() < taken.mine.len() {
            let read: HashSet<Uuid> = jobs.iter().map(|job| job.id).collect();
            let unread = mine.iter().filter(|id| !read.contains(id));
            self.records.extend(unread.copied().map(gone));
        }
        let jobs = jobs.into_iter();
        let jobs = jobs.filter(|job| !poisonous.contains(&job.id) && is_to_begin(&job.id));
        self.begin(mine, jobs.collect::<Vec<_>>().into_iter());
        self.park(paused.into_iter());
        self.records.extend(poisonous.into_iter().map(poison));
        if all_mine {
            return Vec::new();
        }
        for (id, crashes) in &taken.suspects {
            self.suspects.add(*id, *crashes);
        }
        let mine: HashSet<Uuid> = taken.mine.into_iter().collect();
        let is_settled = |id: &Uuid| !mine.contains(id) && !taken.suspects.contains_key(id);
        let mut settled = Vec::new();
        for id in ids.into_iter().filter(is_settled) {
            let other = taken.others.get(&id);
            self.count_other(other.copied());
            let settlement = match other {
                Some(Status::Processed) => Settlement::Ack,
                // Perhaps whoever gave it up died before it could say so.
                Some(Status::Failed) => Settlement::DeadLetter,
                // Another consumer holds it, or it waits for its next attempt. This message was a hint
                // that came too often: the outbox brings the id back when it should be.
                Some(Status::Processing) => Settlement::Ack,
                None => {
                    tracing::warn!(
                        event = "unknown_id", %id,
                        "a message that names no row goes to the dead-letter queue: does another \
                         database use this queue?"
                    );
                    Settlement::DeadLetter
                }
            };
            // What has joined came while the database was asked: it may bring what is ours to take by now.
            settled.extend(self.settle(id, settlement, Settlement::Requeue));
        }
        settled
    }

    /// Counts a delivery of what is not ours to work on.
    fn count_other(&self, status: Option<Status>) {
        let delivered = match status {
            Some(Status::Processed | Status::Failed) => Delivered::Final,
            Some(Status::Processing) => Delivered::HeldElsewhere,
            None => Delivered::Unknown,
        };
        self.metrics.delivered(delivered, 1);
    }
}

/// The end of what has killed its consumer again and again.
fn poison(id: Uuid) -> Record {
    let reason = format!("{CRASHES_MAX} consumers died while they worked on it");
    failed(id, Verdict::Poison, reason)
}

/// The end of what nobody can be told about any more. If it has only been finished meanwhile, nothing is recorded.
fn gone(id: Uuid) -> Record {
    let reason = "its content is no longer stored".to_owned();
    failed(id, Verdict::Permanent, reason)
}

fn failed(id: Uuid, verdict: Verdict, reason: String) -> Record {
    Record {
        id,
        attempt: None,
        next: Transition::Failed { verdict, reason },
    }
}

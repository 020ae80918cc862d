//! Pauses: what a consumer does about them. Where everything is paused it takes nothing; what it takes of a source that is
//! paused it puts aside. Calls that have begun end as ever.

use std::sync::Arc;

use entity::{
    SourceName,
    lifecycle::{
        self, Job,
        operate::pause::{self, Pauses},
    },
};
use futures::FutureExt;
use queue::Settlement;
use uuid::Uuid;

use super::{Consumer, persist::persist, settle::Settled};
use crate::work::Running;

impl Consumer {
    /// Whether nothing may begin: all is paused, or nobody knows yet.
    pub(super) fn is_paused(&self) -> bool {
        self.pauses.as_ref().is_none_or(|pauses| pauses.all)
    }

    /// Whether some sources are paused.
    pub(super) fn has_paused_sources(&self) -> bool {
        let pauses = self.pauses.as_ref();
        pauses.is_some_and(|pauses| !pauses.sources.is_empty())
    }

    pub(super) fn is_source_paused(&self, source: &SourceName) -> bool {
        let pauses = self.pauses.as_ref();
        pauses.is_some_and(|pauses| pauses.sources.contains(source))
    }

    /// Asks what is paused, unless an answer is still to come.
    pub(super) fn read_pauses(&mut self) {
        if self.reading_pauses.is_empty() {
            let db = self.db.clone();
            let read = async move { pause::in_force(&db).await };
            self.reading_pauses.push(read.boxed());
        }
    }

    /// What is paused just now. What waits here of a source that has just been is put aside.
    pub(super) fn hear_pauses(&mut self, pauses: Pauses) {
        if self.pauses.as_ref() == Some(&pauses) {
            return;
        }
        if self.pauses.is_some() || pauses != Pauses::default() {
            let sources: Vec<&str> = pauses.sources.iter().map(AsRef::as_ref).collect();
            tracing::info!(
                event = "pauses_changed",
                all = pauses.all,
                sources = sources.join(","),
                "what is paused has changed"
            );
        }
        self.pauses = Some(pauses);
        let resting = std::mem::take(&mut self.resting).into_iter();
        let (paused, resting): (Vec<Running>, Vec<Running>) = resting.partition(|running| {
            let job = running.job();
            job.is_some_and(|job| self.is_source_paused(&job.webhook.source))
        });
        self.resting.extend(resting);
        let jobs = std::mem::take(&mut self.jobs).into_iter();
        let jobs = jobs.chain(paused.into_iter().filter_map(Running::into_job));
        let (paused, jobs): (Vec<Arc<Job>>, Vec<Arc<Job>>) =
            jobs.partition(|job| self.is_source_paused(&job.webhook.source));
        self.jobs.extend(jobs);
        self.park(
            paused
                .iter()
                .map(|job| (job.id, job.webhook.source.clone())),
        );
    }

    /// Puts aside what has been taken and not begun.
    pub(super) fn park(&mut self, ids: impl Iterator<Item = (Uuid, SourceName)>) {
        let ids: Vec<(Uuid, SourceName)> = ids.collect();
        let (false, Some(holder)) = (ids.is_empty(), self.lease.holder()) else {
            return;
        };
        let db = self.db.clone();
        let park = async move {
            persist("park", || lifecycle::park(&db, holder, &ids)).await?;
            Ok(ids.into_iter().map(|(id, _)| id).collect())
        };
        self.parking.push(park.boxed());
    }

    /// What has been put aside waits in the database. What has joined it may be the message of after the pause.
    pub(super) fn settle_parked(&mut self, ids: Vec<Uuid>) -> Settled {
        let mut settled = Vec::new();
        for id in ids {
            settled.extend(self.settle(id, Settlement::Ack, Settlement::Requeue));
        }
        settled
    }
}

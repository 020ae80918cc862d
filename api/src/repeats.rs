//! How often known ids came again: counted here and written once a second, beside the webhooks' way. Nothing depends on it, so
//! what cannot be written is forgotten.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use entity::lifecycle::{self, Receipt};
use sea_orm::DatabaseConnection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// From one writing to the next.
const EVERY: Duration = Duration::from_secs(1);
/// Ids that are counted in that time; those beyond are not.
const IDS_MAX: usize = 20_000;
/// Ids that one statement writes.
const PORTION: usize = 1_000;

/// A batch of so many, of which more than half are repeats, says that the next one is like it.
const STORM_MIN: usize = 4;

/// Where repeats are counted.
#[derive(Clone, Default)]
pub(crate) struct Repeats(Arc<Counts>);

#[derive(Default)]
struct Counts {
    ids: Mutex<HashMap<Uuid, u32>>,
    is_storm: AtomicBool,
}

impl Repeats {
    /// Counts those of a batch that had come before.
    pub(crate) fn note<'a>(&self, receipts: impl IntoIterator<Item = &'a Receipt>) {
        let mut all = 0;
        let known = receipts.into_iter().filter_map(|receipt| {
            all += 1;
            match receipt {
                Receipt::Duplicate { id, .. } => Some(*id),
                Receipt::New => None,
            }
        });
        let ids: Vec<Uuid> = known.collect();
        let is_storm = all >= STORM_MIN && ids.len() > all / 2;
        self.0.is_storm.store(is_storm, Ordering::Relaxed);
        // Hardly any batch has one.
        if ids.is_empty() {
            return;
        }
        let mut counts = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            if let Some(count) = counts.get_mut(&id) {
                *count = count.saturating_add(1);
            } else if counts.len() < IDS_MAX {
                counts.insert(id, 1);
            }
        }
    }

    /// Whether the last batch was mostly repeats, as when a sender goes through all that it has sent.
    pub(crate) fn is_storm(&self) -> bool {
        self.0.is_storm.load(Ordering::Relaxed)
    }

    fn take(&self) -> Vec<(Uuid, u32)> {
        let mut counts = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *counts).into_iter().collect()
    }
}

/// Writes what has been counted, every second until `stop` and once more then.
pub(crate) async fn run(db: DatabaseConnection, repeats: Repeats, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_told = false;
    loop {
        let goes_on = stop.run_until_cancelled(ticks.tick()).await.is_some();
        let mut counted = repeats.take();
        while !counted.is_empty() {
            let portion = counted.split_off(counted.len().saturating_sub(PORTION));
            match lifecycle::repeats::add(&db, portion).await {
                Ok(()) => is_told = false,
                Err(error) if !std::mem::replace(&mut is_told, true) => {
                    tracing::warn!(event = "repeats_not_counted", %error, "it is not counted how often known ids come again");
                }
                Err(_) => {}
            }
        }
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::Status;

    use super::*;

    #[test]
    fn a_batch_mostly_of_repeats_says_that_the_next_is_like_it() {
        let repeats = Repeats::default();
        let known = Receipt::Duplicate {
            id: Uuid::now_v7(),
            status: Status::Processing,
            conflict: false,
        };
        let is_storm = |receipts: &[&Receipt]| {
            repeats.note(receipts.iter().copied());
            repeats.is_storm()
        };
        let new = &Receipt::New;
        assert!(!repeats.is_storm());
        assert!(is_storm(&[&known, &known, new, &known]));
        assert!(!is_storm(&[&known, &known, new, new]));
        assert!(is_storm(&[&known; STORM_MIN]));
        // A lone repeat says nothing of what comes next.
        assert!(!is_storm(&[&known]));
        assert_eq!(repeats.take().len(), 1);
    }
}

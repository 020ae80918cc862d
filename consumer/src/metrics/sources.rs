//! What is counted of the work of each source. A consumer is not told which sources there are: it meets them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use entity::{Outcome, SourceName, Status};
use meter::{Buckets, Counter, Histogram};

/// Sources that are told apart, in the order in which they are met: whoever writes to the database could make up names.
const SOURCES_MAX: usize = 50;
/// Of what is not told apart. Where the work is simulated nobody asks whose it is.
const TOGETHER: &str = "";

/// From a webhook's arrival to the commit of its end.
const END_TO_END: Buckets = Buckets::micros(&[
    100_000,
    1_000_000,
    5_000_000,
    15_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
    7_200_000_000,
    86_400_000_000,
]);

const OUTCOMES: [(Outcome, &str); 4] = [
    (Outcome::Succeeded, "succeeded"),
    (Outcome::Refused, "refused"),
    (Outcome::Failed, "failed"),
    (Outcome::Panicked, "panicked"),
];
/// The final ones.
const STATUSES: [&str; 2] = ["PROCESSED", "FAILED"];

/// The work of one source.
#[derive(Debug)]
pub(crate) struct OfSource {
    attempts: [Counter; OUTCOMES.len()],
    end_to_end: [Histogram; STATUSES.len()],
}

impl Default for OfSource {
    fn default() -> Self {
        Self {
            attempts: Default::default(),
            end_to_end: std::array::from_fn(|_| Histogram::new(END_TO_END)),
        }
    }
}

/// The name of what an attempt came to.
pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    let known = OUTCOMES.iter().find(|(known, _)| *known == outcome);
    known.map_or("", |(_, name)| name)
}

impl OfSource {
    /// An attempt has come to this.
    pub(crate) fn attempted(&self, outcome: Outcome) {
        let at = OUTCOMES.iter().position(|(known, _)| *known == outcome);
        if let Some(at) = at {
            self.attempts[at].inc();
        }
    }

    /// A transaction is final, so long after its webhook came.
    pub(crate) fn finished(&self, status: Status, after: Duration) {
        match status {
            Status::Processed => self.end_to_end[0].took(after),
            Status::Failed => self.end_to_end[1].took(after),
            Status::Processing => {}
        }
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let attempts = OUTCOMES.iter().zip(&self.attempts);
        attempts.map(|((_, name), count)| (*name, count.get()))
    }

    pub(super) fn end_to_end(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        STATUSES.into_iter().zip(&self.end_to_end)
    }
}

/// All that were met.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<BTreeMap<String, Arc<OfSource>>>);

impl Sources {
    /// Of this source; of all together if there is none, or there are too many.
    pub(super) fn of(&self, source: Option<&SourceName>) -> Arc<OfSource> {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = source.map_or(TOGETHER, SourceName::as_ref);
        if let Some(known) = sources.get(name) {
            return known.clone();
        }
        let name = match sources.len() < SOURCES_MAX {
            true => name,
            false => TOGETHER,
        };
        sources.entry(name.to_owned()).or_default().clone()
    }

    pub(super) fn all(&self) -> Vec<(String, Arc<OfSource>)> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = sources.iter();
        sources
            .map(|(name, of_source)| (name.clone(), of_source.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_so_many_sources_the_others_are_counted_together() {
        let sources = Sources::default();
        for at in 0..SOURCES_MAX * 3 {
            let name: SourceName = format!("s{at}").parse().unwrap();
            sources.of(Some(&name)).attempted(Outcome::Succeeded);
        }
        let all = sources.all();
        assert_eq!(all.len(), SOURCES_MAX + 1);
        let count = |name: &str| {
            let (_, found) = all.iter().find(|(known, _)| known == name).unwrap();
            found.attempts().next().unwrap().1
        };
        assert_eq!(count("s0"), 1);
        assert_eq!(count(TOGETHER), 2 * SOURCES_MAX as u64);
    }
}

//! What breaks when, for how long: all of it follows from the seed.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde::Serialize;

use super::fault::{self, Fault};

/// Before the first fault the service runs undisturbed for so long, in milliseconds.
const BEFORE_MS: std::ops::Range<u64> = 1_500..3_000;
/// Between two faults of a soak, in milliseconds.
const BETWEEN_MS: std::ops::Range<u64> = 0..6_000;

/// One fault in its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub(super) fault: Fault,
    /// How long nothing breaks before it.
    pub(super) after_ms: u64,
    pub(super) lasts_ms: u64,
}

impl Step {
    fn new(fault: Fault, after_ms: u64, random: &mut StdRng) -> Self {
        let (least, most) = fault.about().lasts;
        Self {
            fault,
            after_ms,
            lasts_ms: random.random_range(u64::from(least) * 1000..=u64::from(most) * 1000),
        }
    }

    pub(super) fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }

    pub(super) fn lasts(&self) -> Duration {
        Duration::from_millis(self.lasts_ms)
    }
}

/// One fault alone.
pub(super) fn single(fault: Fault, seed: u64) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let after = random.random_range(BEFORE_MS);
    vec![Step::new(fault, after, &mut random)]
}

/// One of `faults` after the other, until so much time is filled.
pub(super) fn soak(faults: &[Fault], seed: u64, time: Duration) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut steps = Vec::new();
    let mut filled = 0;
    while u128::from(filled) < time.as_millis() {
        let Some(fault) = faults.choose(&mut random) else {
            break;
        };
        let after = random.random_range(if steps.is_empty() {
            BEFORE_MS
        } else {
            BETWEEN_MS
        });
        let step = Step::new(*fault, after, &mut random);
        filled += step.after_ms + step.lasts_ms;
        steps.push(step);
    }
    steps
}

/// The faults that a soak draws from.
pub(super) fn mixing() -> Vec<Fault> {
    let mixing = fault::all().filter(|about| about.traits.mixes);
    mixing.map(|about| about.fault).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use clap::ValueEnum as _;

    use super::{mixing, single, soak};
    use crate::chaos::fault::Fault;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        for fault in Fault::value_variants() {
            assert_eq!(single(*fault, 7), single(*fault, 7));
        }
        let faults = mixing();
        assert_eq!(soak(&faults, 7, HOUR), soak(&faults, 7, HOUR));
        assert_ne!(soak(&faults, 7, HOUR), soak(&faults, 8, HOUR));
    }

    #[test]
    fn a_soak_fills_its_time_with_every_fault_that_mixes() {
        let faults = mixing();
        let steps = soak(&faults, 1, 4 * HOUR);
        let filled: Duration = steps.iter().map(|step| step.after() + step.lasts()).sum();
        assert!(filled >= 4 * HOUR && filled < 5 * HOUR, "{filled:?}");
        let drawn: BTreeSet<Fault> = steps.iter().map(|step| step.fault).collect();
        assert_eq!(drawn, faults.into_iter().collect());
    }
}

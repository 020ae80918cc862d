//! What breaks when, for how long: all of it follows from the seed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde::Serialize;

use super::fault::{self, Fault, Traits};

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

/// One run that is still to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) name: String,
    /// Its row of the fault matrix.
    pub(super) row: &'static str,
    pub(super) seed: u64,
    pub(super) steps: Vec<Step>,
    /// Those of all its faults together.
    pub(super) traits: Traits,
}

impl Job {
    /// One fault alone.
    pub(super) fn single(fault: Fault, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let after = random.random_range(BEFORE_MS);
        Self {
            name: fault.name(),
            row: fault.about().row,
            seed,
            steps: vec![Step::new(fault, after, &mut random)],
            traits: fault.about().traits,
        }
    }

    /// One of `faults` after the other, until so much time is filled.
    pub(super) fn soak(faults: &[Fault], seed: u64, time: Duration) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut steps = Vec::new();
        let mut filled = 0;
        while u128::from(filled) < time.as_millis() {
            let fault = faults.choose(&mut random);
            let fault = fault.context("there is nothing to inject")?;
            let after = match steps.is_empty() {
                true => random.random_range(BEFORE_MS),
                false => random.random_range(BETWEEN_MS),
            };
            let step = Step::new(*fault, after, &mut random);
            filled += step.after_ms + step.lasts_ms;
            steps.push(step);
        }
        let traits = steps.iter().map(|step| step.fault.about().traits);
        Ok(Self {
            name: "soak".into(),
            row: "F4",
            seed,
            traits: Traits::of_all(traits)?,
            steps,
        })
    }
}

/// The faults for every day.
pub(super) fn usual() -> Vec<Fault> {
    let usual = fault::all().filter(|about| !about.traits.rare);
    usual.map(|about| about.fault).collect()
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

    use super::{Job, mixing};
    use crate::chaos::fault::Fault;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        for fault in Fault::value_variants() {
            assert_eq!(Job::single(*fault, 7), Job::single(*fault, 7));
        }
        let soak = |seed| Job::soak(&mixing(), seed, HOUR).unwrap().steps;
        assert_eq!(soak(7), soak(7));
        assert_ne!(soak(7), soak(8));
    }

    #[test]
    fn a_soak_fills_its_time_with_every_fault_that_mixes() {
        let faults = mixing();
        let soak = Job::soak(&faults, 1, 4 * HOUR).unwrap();
        let steps = soak.steps.iter();
        let filled: Duration = steps.map(|step| step.after() + step.lasts()).sum();
        assert!(filled >= 4 * HOUR && filled < 5 * HOUR, "{filled:?}");
        let drawn: BTreeSet<Fault> = soak.steps.iter().map(|step| step.fault).collect();
        assert_eq!(drawn, faults.into_iter().collect());
    }
}

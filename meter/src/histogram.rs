//! How something is distributed.
//!
//! Two atomic additions for each observation. prometheus-client's own histogram takes a lock, which is held while a scrape
//! copies it, too.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Into what observations are sorted: the upper bound of each bucket, in whole units, in ascending order. What is larger
/// than the last goes to a bucket of its own.
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    bounds: &'static [u64],
    /// How many of these units make one of those that are written.
    units: f64,
}

impl Buckets {
    /// Of lengths of time, which are observed in microseconds and written in seconds.
    pub const fn micros(bounds: &'static [u64]) -> Self {
        Self { bounds, units: 1e6 }
    }

    /// Of numbers.
    pub const fn numbers(bounds: &'static [u64]) -> Self {
        Self { bounds, units: 1.0 }
    }
}

#[derive(Debug)]
pub struct Histogram {
    buckets: Buckets,
    /// Observations by bucket; the last is for what is larger than all bounds.
    counts: Box<[AtomicU64]>,
    /// Of all observations. That of lengths of time runs over after 580,000 years of them, which is read as a restart.
    sum: AtomicU64,
}

/// What a histogram was at one moment, about: observations that are made meanwhile may be in one part of it alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub sum: f64,
    /// Each bucket's upper bound, and how many observations are in it; the last has no bound.
    pub buckets: Vec<(f64, u64)>,
}

impl Snapshot {
    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Adds what another histogram with the same buckets was.
    pub fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
    }
}

impl Histogram {
    pub fn new(buckets: Buckets) -> Self {
        let counts = (0..=buckets.bounds.len()).map(|_| AtomicU64::new(0));
        Self {
            buckets,
            counts: counts.collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Something took so long.
    pub fn took(&self, length: Duration) {
        self.observe(u64::try_from(length.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn observe(&self, value: u64) {
        let bounds = self.buckets.bounds.iter();
        let bucket = bounds.take_while(|bound| **bound < value).count();
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let bounds = self.buckets.bounds.iter();
        let bounds = bounds.map(|bound| *bound as f64 / self.buckets.units);
        let bounds = bounds.chain([f64::INFINITY]);
        let counts = self.counts.iter();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        Snapshot {
            sum: self.sum.load(Ordering::Relaxed) as f64 / self.buckets.units,
            buckets: bounds.zip(counts).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_is_in_the_first_bucket_that_is_not_smaller() {
        let histogram = Histogram::new(Buckets::micros(&[1_000, 2_500, 500_000]));
        for micros in [0, 1_000, 1_001, 2_500, 500_000, 500_001, 3_000_000] {
            histogram.took(Duration::from_micros(micros));
        }
        let snapshot = histogram.snapshot();
        let buckets = [(0.001, 2), (0.0025, 2), (0.5, 1), (f64::INFINITY, 2)];
        assert_eq!(snapshot.buckets, buckets);
        assert_eq!(snapshot.count(), 7);
        assert!((snapshot.sum - 4.004_502).abs() < 1e-9, "{}", snapshot.sum);
    }

    #[test]
    fn of_many_threads_nothing_is_lost() {
        let histogram = Histogram::new(Buckets::numbers(&[1, 2]));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|value| histogram.observe(value % 4)));
            }
        });
        let snapshot = histogram.snapshot();
        let buckets = [(1.0, 20_000), (2.0, 10_000), (f64::INFINITY, 10_000)];
        assert_eq!(snapshot.buckets, buckets);
        assert!((snapshot.sum - 60_000.0).abs() < 1e-9);
    }

    #[test]
    fn two_snapshots_make_one() {
        let [one, other] = [3, 5].map(|value| {
            let histogram = Histogram::new(Buckets::numbers(&[4]));
            histogram.observe(value);
            histogram.snapshot()
        });
        let mut both = one;
        both.add(&other);
        assert_eq!(both.buckets, [(4.0, 1), (f64::INFINITY, 1)]);
        assert!((both.sum - 8.0).abs() < 1e-9);
    }
}

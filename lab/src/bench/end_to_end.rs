//! How long webhooks took from when they should have left to `PROCESSED`.
//!
//! It costs the run nothing: the generator knows when each should have left, and the database when it was `PROCESSED`, by the
//! clock of the same machine. That is the start of the statement that says so; its commit follows.

use std::{
    collections::HashMap,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;

use super::load::Answers;

/// When transactions were `PROCESSED`, in seconds since 1970, by the ids of their sender.
pub(super) type Processed = HashMap<String, f64>;

/// The times of one load.
pub(super) struct EndToEnd {
    /// In microseconds.
    latency: Histogram<u64>,
    /// The longest, in milliseconds, among those that should have left in each second.
    pub(super) slowest: Vec<f64>,
}

impl EndToEnd {
    /// Of what was sent `rate` times a second on schedule. Every webhook that was accepted must be among the `processed`.
    pub(super) fn of(answers: &Answers, rate: f64, processed: &Processed) -> Result<Self> {
        let began = answers.began.duration_since(UNIX_EPOCH)?.as_secs_f64();
        let mut latency = Histogram::new(3).context("histogram")?;
        let mut slowest = Vec::new();
        for number in 0..answers.latency.len() {
            let scheduled = Duration::from_secs_f64(number as f64 / rate);
            let Some(processed) = processed.get(&answers.ids.text(number)) else {
                // What was told to come later may have been committed all the same, or not.
                let is_lost = !answers.later.contains(&number);
                ensure!(
                    !is_lost,
                    "webhook {number} was not PROCESSED: the check failed"
                );
                continue;
            };
            let took = processed - began - scheduled.as_secs_f64();
            ensure!(took > 0.0, "webhook {number} was PROCESSED before it left");
            latency.record((took * 1e6) as u64)?;
            let second = scheduled.as_secs() as usize;
            slowest.resize(slowest.len().max(second + 1), 0.0);
            slowest[second] = (took * 1e3).max(slowest[second]);
        }
        Ok(Self { latency, slowest })
    }

    /// A percentile, in milliseconds.
    pub(super) fn ms(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::{EndToEnd, Processed};
    use crate::bench::load::{Answers, Ids, Sender};

    /// So many answers, and each PROCESSED that many seconds after it should have left, at 10 a second.
    fn load(took: &[Option<f64>]) -> (Answers, Processed) {
        let mut answers = Answers::new(Sender::Transactions, Ids::unique()).unwrap();
        let began = answers.began.duration_since(UNIX_EPOCH).unwrap();
        let mut processed = Processed::new();
        for (number, took) in (0_u32..).zip(took) {
            answers.latency.record(1).unwrap();
            if let Some(took) = took {
                let at = began.as_secs_f64() + f64::from(number) / 10.0 + took;
                processed.insert(answers.ids.text(number.into()), at);
            }
        }
        (answers, processed)
    }

    #[test]
    fn a_time_counts_from_when_the_webhook_should_have_left() {
        let mut took = [Some(0.010); 12];
        took[11] = Some(0.500);
        let (answers, processed) = load(&took);
        let times = EndToEnd::of(&answers, 10.0, &processed).unwrap();
        assert!((times.ms(50.0) - 10.0).abs() < 0.1, "{}", times.ms(50.0));
        assert!((times.ms(100.0) - 500.0).abs() < 1.0, "{}", times.ms(100.0));
        let slowest: Vec<f64> = times.slowest.iter().map(|ms| ms.round()).collect();
        assert_eq!(slowest, [10.0, 500.0]);
    }

    #[test]
    fn whatever_was_accepted_must_be_processed_and_what_should_come_later_may() {
        let (mut answers, processed) = load(&[Some(0.1), None]);
        assert!(EndToEnd::of(&answers, 10.0, &processed).is_err());
        answers.later.push(1);
        assert!(EndToEnd::of(&answers, 10.0, &processed).is_ok());
    }
}

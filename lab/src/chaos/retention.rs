//! Retention, made again and again while everything around breaks, as an operator does on the command line: each time of one month
//! more. What takes too long is killed, and begun anew.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rustix::process::Signal;
use tokio::sync::watch;

use super::{stop::stops_within, world::Db};
use crate::hookline::Hookline;

/// From one round to the next, in milliseconds.
const EVERY_MS: std::ops::Range<u64> = 200..1_200;
/// How long a round may take, in milliseconds, before it is killed: often enough amid something.
const PATIENCE_MS: std::ops::Range<u64> = 1_000..8_000;
/// How old what goes must be in the first round, and in the last, in days.
const FIRST_DAYS: u64 = 400;
const LAST_DAYS: u64 = 25;
/// How much younger from round to round, in days.
const STEP_DAYS: u64 = 30;
/// Once everything is quiet, how long the rest may take.
const END_WITHIN: Duration = Duration::from_secs(60);

/// Whoever makes it.
#[derive(Clone)]
pub(super) struct Retention {
    pub(super) binary: PathBuf,
    pub(super) database_url: String,
    pub(super) seed: u64,
}

impl Retention {
    /// Makes one round after the other until `stop`. Returns how many came to their end.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<u64> {
        let mut random = StdRng::seed_from_u64(self.seed ^ 0x0dd_ba11);
        let (mut days, mut made) = (FIRST_DAYS, 0);
        loop {
            let wait = Duration::from_millis(random.random_range(EVERY_MS));
            if stops_within(&mut stop, wait).await {
                return Ok(made);
            }
            let patience = Duration::from_millis(random.random_range(PATIENCE_MS));
            made += u64::from(self.round(days, patience).await?);
            days = days.saturating_sub(STEP_DAYS).max(LAST_DAYS);
        }
    }

    /// Makes rounds until nothing is left of the past, or it takes too long: the check tells what is left.
    pub(super) async fn end(&self, db: &Db) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < END_WITHIN && !matches!(db.left_of_the_past().await, Ok(0)) {
            self.round(LAST_DAYS, END_WITHIN).await?;
        }
        Ok(())
    }

    /// Whether it came to its end in time. While the database is away it cannot.
    async fn round(&self, days: u64, patience: Duration) -> Result<bool> {
        let age = format!("{days}d");
        let variables = [
            ("DATABASE_URL", self.database_url.clone()),
            ("RETENTION_TRANSACTIONS", age.clone()),
            ("RETENTION_CONFLICTS", age),
        ];
        let mut round = Hookline::start(&self.binary, "retention --reason lab", &variables)?;
        match tokio::time::timeout(patience, round.exit()).await {
            Ok(status) => Ok(status?.success()),
            Err(_) => {
                round.signal(Signal::KILL);
                round.exit().await?;
                Ok(false)
            }
        }
    }
}

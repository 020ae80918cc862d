//! The operator: retries what has failed, one or all, replays what is processed, gives up, and pauses for a moment, while
//! everything around breaks. It goes past all proxies to the database, as the command line does.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use entity::{
    SourceName,
    lifecycle::operate::{
        self, By, GivenUp, Replayed, Retried,
        bulk::{self, Filter},
        pause,
    },
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use sea_orm::DbErr;
use tokio::sync::watch;
use uuid::Uuid;

use super::{acts::Acts, downstream::Mender, locked::locked, stop::stops_within, world::Db};

/// From one act to the next, in milliseconds.
const EVERY_MS: std::ops::Range<u64> = 100..500;
/// How long a pause lasts, in milliseconds.
const PAUSED_MS: std::ops::Range<u64> = 200..1_500;
/// Transactions a second of a bulk retry.
const RATE: u32 = 20;
/// How long an act may take before the operator does something else. It may have been done all the same.
const WITHIN: Duration = Duration::from_secs(5);
/// How often it asks for the end of a pause.
const RESUMES_MAX: usize = 60;

/// How much an operator may do without spoiling what a fault promises of time and attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    /// What changes no transaction.
    Replays,
}

/// Somebody at work.
pub(super) struct Operator {
    pub(super) db: Db,
    /// How to have downstream take what it has refused.
    pub(super) mender: Option<Mender>,
    pub(super) scope: Scope,
    pub(super) seed: u64,
    pub(super) acts: Arc<Mutex<Acts>>,
}

impl Operator {
    /// Does one thing after the other until `stop`; then nothing is paused.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let by = By {
            who: "chaos".parse()?,
            reason: "because it can".parse()?,
        };
        let mut random = StdRng::seed_from_u64(self.seed ^ 0x0b5e_55ed);
        loop {
            let wait = Duration::from_millis(random.random_range(EVERY_MS));
            if stops_within(&mut stop, wait).await {
                return Ok(());
            }
            let luck: f64 = random.random();
            match self.scope {
                Scope::Replays if luck < 0.3 => self.replay(&by).await,
                Scope::Replays => {}
                Scope::Everything if luck < 0.45 => self.retry(&by).await,
                Scope::Everything if luck < 0.8 => self.replay(&by).await,
                Scope::Everything if luck < 0.88 => self.give_up(&by).await,
                Scope::Everything if luck < 0.94 => self.retry_all(&by, &mut random).await,
                Scope::Everything => self.pause(&by, &mut random).await?,
            }
        }
    }

    /// One transaction's row id and key. `None` if there is none, or the database is away.
    async fn some(&self, of: &str) -> Option<(Uuid, String)> {
        let some = self.db.some_id(of).await;
        some.ok().flatten()
    }

    async fn retry(&self, by: &By) {
        let Some((id, key)) = self.some("failures").await else {
            return;
        };
        if let Some(mender) = &self.mender {
            mender.mend([key.clone()]);
        }
        let outcome = limited(operate::retry(self.db.connection(), id, by)).await;
        let mut acts = locked(&self.acts);
        let times = acts.retried.entry(key).or_default();
        times.count(&outcome, |done| *done == Retried::Reopened);
    }

    async fn replay(&self, by: &By) {
        let Some((id, key)) = self.some("processed").await else {
            return;
        };
        let outcome = limited(operate::replay(self.db.connection(), id, by)).await;
        let mut acts = locked(&self.acts);
        let times = acts.replayed.entry(key).or_default();
        times.count(&outcome, |done| *done == Replayed::Queued);
    }

    /// What is given up may be a replay, which is not to be called any more.
    async fn give_up(&self, by: &By) {
        let Some((id, key)) = self.some("retries").await else {
            return;
        };
        let outcome = limited(operate::give_up(self.db.connection(), id, by)).await;
        if !matches!(
            outcome,
            Ok(GivenUp::Not(_) | GivenUp::InHand | GivenUp::Unknown)
        ) {
            locked(&self.acts).given_up.insert(key);
        }
    }

    async fn retry_all(&self, by: &By, random: &mut StdRng) {
        if let (Some(mender), Ok(failed)) = (&self.mender, self.db.failures().await) {
            mender.mend(failed);
        }
        let db = self.db.connection();
        locked(&self.acts).bulks += 1;
        let made = limited(bulk::create(db, &Filter::default(), RATE, by)).await;
        if let Ok(made) = made
            && random.random_bool(0.3)
        {
            let _ = limited(bulk::cancel(db, made.id, by)).await;
        }
    }

    /// Pauses something, and resumes it a little later, whatever it takes.
    async fn pause(&self, by: &By, random: &mut StdRng) -> Result<()> {
        let sources = [None, Some("transactions"), Some(crate::stripe::SOURCE)];
        let source: Option<SourceName> = match sources.choose(random) {
            Some(Some(name)) => Some(name.parse()?),
            _ => None,
        };
        let db = self.db.connection();
        locked(&self.acts).pauses += 1;
        let _ = limited(async { pause::pause(db, source.as_ref(), None, by).await }).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(PAUSED_MS))).await;
        for _ in 0..RESUMES_MAX {
            // Twice: the pause itself may have come late.
            let resumed = limited(pause::resume(db, source.as_ref(), by)).await;
            if resumed.is_ok()
                && limited(pause::in_force(db))
                    .await
                    .is_ok_and(|it| it == Default::default())
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(anyhow::anyhow!("the database is away for too long")).context("cannot end a pause")
    }
}

async fn limited<T>(act: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let late = |_| DbErr::Custom("no answer".into());
    tokio::time::timeout(WITHIN, act).await.map_err(late)?
}

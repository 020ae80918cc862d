//! This consumer's lease: what it holds is its own only while the others believe it alive. By its own
//! clock a lease runs from before each renewal was asked for, so it ends here before it ends for them.
//!
//! A task of its own renews it, so that nothing the consumer does can delay that.

use std::time::Duration;

use entity::lifecycle::{self, Holder};
use queue::Backoff;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Error, Tenancy, peers::Peers};

/// A lease is renewed this many times in its length: one failure or slow answer must not end it.
const RENEWALS: u32 = 4;

pub(crate) enum Lease {
    /// Nobody could take anything away.
    NotNeeded,
    Needed(Needed),
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// There is a lease: the work may begin.
    Began,
    /// It has run out: all work must stop. Another one, under another id, will begin.
    Lost,
}

pub(crate) struct Needed {
    /// Where it is told whether there is one.
    told: watch::Sender<bool>,
    granted: watch::Receiver<Option<Grant>>,
    /// In whose name work has begun.
    began: Option<Uuid>,
    stop: CancellationToken,
    keeper: JoinHandle<Result<(), Error>>,
}

/// A lease that runs.
#[derive(Clone, Copy, Debug)]
struct Grant {
    consumer: Uuid,
    until: Instant,
}

impl Lease {
    /// Tells `told` whether there is one, or none is needed.
    pub(crate) fn new(db: DatabaseConnection, tenancy: Tenancy, told: watch::Sender<bool>) -> Self {
        let Tenancy::Shared { lease, embedded } = tenancy else {
            told.send_replace(true);
            return Self::NotNeeded;
        };
        let (grants, granted) = watch::channel(None);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            db,
            length: lease,
            embedded,
            grants,
            stop: stop.clone(),
        };
        Self::Needed(Needed {
            told,
            granted,
            began: None,
            stop,
            keeper: tokio::spawn(keeper.run()),
        })
    }

    /// In whose name to work, if one may work now.
    pub(crate) fn holder(&self) -> Option<Holder> {
        match self {
            Self::NotNeeded => Some(Holder::Sole),
            Self::Needed(lease) => lease.holder().map(Holder::Consumer),
        }
    }

    /// Whether one is needed, and until when it runs.
    pub(crate) fn runs(&self) -> (bool, Option<Instant>) {
        match self {
            Self::NotNeeded => (false, None),
            Self::Needed(lease) => (true, lease.granted.borrow().map(|grant| grant.until)),
        }
    }

    /// Waits until the lease has begun or is lost. May be dropped and called again.
    ///
    /// # Errors
    /// There will never be one: see [`Error`].
    pub(crate) async fn change(&mut self) -> Result<Change, Error> {
        match self {
            Self::NotNeeded => std::future::pending().await,
            Self::Needed(lease) => {
                let change = lease.change().await?;
                lease.told.send_replace(change == Change::Began);
                Ok(change)
            }
        }
    }

    /// Gives it up, so that nobody need wait for it to run out.
    pub(crate) async fn end(self) {
        if let Self::Needed(lease) = self {
            lease.stop.cancel();
            // A panic has been reported by the runtime, and an error by whoever waited for a change.
            let _ = lease.keeper.await;
        }
    }
}

impl Needed {
    fn holder(&self) -> Option<Uuid> {
        let grant = (*self.granted.borrow())?;
        let runs = Some(grant.consumer) == self.began && Instant::now() < grant.until;
        runs.then_some(grant.consumer)
    }

    async fn change(&mut self) -> Result<Change, Error> {
        loop {
            let grant = *self.granted.borrow_and_update();
            let running = grant.filter(|grant| Instant::now() < grant.until);
            match (self.began, running) {
                (None, Some(grant)) => {
                    self.began = Some(grant.consumer);
                    return Ok(Change::Began);
                }
                (Some(began), Some(grant)) if began == grant.consumer => {
                    tokio::select! {
                        () = sleep_until(grant.until) => {}
                        changed = self.granted.changed() => if changed.is_err() {
                            return Err(self.ended().await);
                        }
                    }
                }
                (Some(_), _) => {
                    self.began = None;
                    return Ok(Change::Lost);
                }
                (None, None) => {
                    if self.granted.changed().await.is_err() {
                        return Err(self.ended().await);
                    }
                }
            }
        }
    }

    /// Why there is no keeper any more.
    async fn ended(&mut self) -> Error {
        match (&mut self.keeper).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => Error::Stopped,
            Err(panic) => Error::Failed(panic),
        }
    }
}

/// Begins lease after lease and renews each, until told to stop.
struct Keeper {
    db: DatabaseConnection,
    length: Duration,
    embedded: bool,
    grants: watch::Sender<Option<Grant>>,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(self) -> Result<(), Error> {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let begun = stop.run_until_cancelled(self.begin()).await;
            let Some(grant) = begun.transpose()? else {
                return Ok(());
            };
            self.grants.send_replace(Some(grant));
            self.keep(grant).await;
            self.grants.send_replace(None);
            // We live, whatever it looked like: this was no death.
            self.end(grant.consumer).await;
        }
        Ok(())
    }

    /// Begins a lease, as soon as the database answers.
    async fn begin(&self) -> Result<Grant, Error> {
        if self.embedded {
            self.wait_for_predecessor().await?;
        }
        let consumer = Uuid::now_v7();
        let mut backoff = Backoff::new();
        loop {
            let asked = Instant::now();
            match lifecycle::lease::begin(&self.db, consumer, self.length, self.embedded).await {
                Ok(()) if self.embedded && self.is_second(consumer).await => {
                    self.end(consumer).await;
                    return Err(Error::Taken);
                }
                Ok(()) => {
                    return Ok(Grant {
                        consumer,
                        until: asked + self.length,
                    });
                }
                Err(error) => fail_or_wait(&mut backoff, error, "begin its lease").await?,
            }
        }
    }

    /// One process with the queue inside it may use a database at a time. The one before may have died without a word:
    /// then its lease runs out, and this ends. If it lives it renews its lease, and this fails.
    async fn wait_for_predecessor(&self) -> Result<(), Error> {
        let mut peers = Peers::default();
        let mut backoff = Backoff::new();
        let mut told = false;
        loop {
            let renewals = match lifecycle::lease::renewals(&self.db).await {
                Ok(renewals) => renewals,
                Err(error) => {
                    fail_or_wait(&mut backoff, error, "look for other processes").await?;
                    continue;
                }
            };
            let others = renewals.into_iter().filter(|(_, other)| other.embedded);
            let seen = peers.see(others.collect(), Instant::now());
            if seen.renewed {
                return Err(Error::Taken);
            }
            for (consumer, renewal) in seen.silent {
                if let Err(error) = lifecycle::lease::bury(&self.db, consumer, renewal).await {
                    tracing::warn!(event = "lease_not_ended", %error, "could not end the lease of the process before");
                }
            }
            if peers.is_empty() {
                return Ok(());
            }
            if !std::mem::replace(&mut told, true) {
                tracing::info!(
                    event = "waiting_for_lease",
                    "work begins when the lease of the process before has run out"
                );
            }
            sleep(self.length / (2 * RENEWALS)).await;
        }
    }

    /// Whether another process began at the same moment, and was first.
    async fn is_second(&self, consumer: Uuid) -> bool {
        match lifecycle::lease::renewals(&self.db).await {
            Ok(renewals) => {
                let mut others = renewals.iter().filter(|(_, other)| other.embedded);
                others.any(|(id, _)| *id < consumer)
            }
            // The lease alone keeps both from working on one id.
            Err(_) => false,
        }
    }

    /// Renews a lease until it is lost, or until told to stop.
    async fn keep(&self, mut grant: Grant) {
        let mut renew_at = Instant::now() + self.length / RENEWALS;
        loop {
            if (self.stop.run_until_cancelled(sleep_until(renew_at)).await).is_none() {
                return;
            }
            let asked = Instant::now();
            renew_at = asked + self.length / RENEWALS;
            let renew = lifecycle::lease::renew(&self.db, grant.consumer, self.length);
            // Dropping it gives up its connection, so that the next one gets another.
            match timeout_at(grant.until, renew).await {
                Ok(Ok(true)) => {
                    grant.until = asked + self.length;
                    self.grants.send_replace(Some(grant));
                }
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(error)) => {
                    tracing::warn!(event = "lease_not_renewed", %error, "consumer could not renew its lease; trying again");
                    renew_at = asked + self.length / (4 * RENEWALS);
                }
            }
            if Instant::now() >= grant.until {
                return;
            }
        }
    }

    async fn end(&self, consumer: Uuid) {
        if let Err(error) = lifecycle::lease::end(&self.db, consumer).await {
            tracing::warn!(event = "lease_not_ended", %error, "consumer could not end its lease; others wait until it has run out");
        }
    }
}

async fn fail_or_wait(
    backoff: &mut Backoff,
    error: DbErr,
    doing: &'static str,
) -> Result<(), Error> {
    if lifecycle::can_never_work(&error) {
        return Err(Error::Database(error));
    }
    let wait = backoff.next_wait();
    tracing::warn!(event = "consumer_statement_failed", %error, ?wait, "consumer could not {doing}; trying again");
    sleep(wait).await;
    Ok(())
}

#[cfg(test)]
mod tests;

//! This consumer's lease: what it holds is its own only while the others believe it alive. By its own
//! clock a lease runs from before each renewal was asked for, so it ends here before it ends for them.

use std::time::Duration;

use entity::lifecycle::{self, Holder};
use sea_orm::DatabaseConnection;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, sleep_until},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Company, persist};

/// A lease is renewed this many times in its length: one failure or slow answer must not end it.
const RENEWALS: u32 = 4;

pub(crate) enum Lease {
    /// Nobody could take anything away.
    NotNeeded,
    Needed(Box<Needed>),
}

/// What has changed.
pub(crate) enum Change {
    /// There is a lease: the work may begin.
    Began,
    /// It has run out: all work must stop. Another one, under another id, will begin.
    Lost,
}

pub(crate) struct Needed {
    db: DatabaseConnection,
    length: Duration,
    consumer: Uuid,
    /// `None` before its beginning.
    runs_until: Option<Instant>,
    renew_at: Instant,
    /// The call to the database that is under way. A task, because a call must not be dropped half-way.
    call: Option<JoinHandle<Answer>>,
}

/// When the lease was asked for, and whether it was granted; `None` if there was no answer.
type Answer = (Instant, Option<bool>);

impl Lease {
    pub(crate) fn new(db: DatabaseConnection, company: Company) -> Self {
        match company {
            Company::Nobody => Self::NotNeeded,
            Company::Others { lease } => Self::Needed(Box::new(Needed {
                db,
                length: lease,
                consumer: Uuid::now_v7(),
                runs_until: None,
                renew_at: Instant::now(),
                call: None,
            })),
        }
    }

    /// In whose name to work, if one may work now.
    pub(crate) fn holder(&self) -> Option<Holder> {
        match self {
            Self::NotNeeded => Some(Holder::Sole),
            Self::Needed(lease) => lease
                .runs_until
                .is_some_and(|until| Instant::now() < until)
                .then_some(Holder::Consumer(lease.consumer)),
        }
    }

    /// Keeps the lease up, and returns when it has begun or is lost. May be dropped and called again.
    pub(crate) async fn change(&mut self) -> Change {
        match self {
            Self::NotNeeded => std::future::pending().await,
            Self::Needed(lease) => lease.change().await,
        }
    }

    /// Gives it up, so that nobody need wait for it to run out.
    pub(crate) async fn end(self) {
        if let Self::Needed(lease) = self
            && let Err(error) = lifecycle::lease::end(&lease.db, lease.consumer).await
        {
            tracing::warn!(%error, "consumer could not end its lease; others wait until it has run out");
        }
    }
}

impl Needed {
    async fn change(&mut self) -> Change {
        loop {
            let Some(until) = self.runs_until else {
                let (asked, _) = self.answer().await;
                self.runs_until = Some(asked + self.length);
                return Change::Began;
            };
            let granted = tokio::select! {
                biased;
                () = sleep_until(until) => Some(false),
                () = sleep_until(self.renew_at), if self.call.is_none() => {
                    self.ask();
                    continue;
                }
                (asked, granted) = self.answer(), if self.call.is_some() => {
                    if granted == Some(true) {
                        self.runs_until = Some(asked + self.length);
                    }
                    granted
                }
            };
            if granted == Some(false) {
                self.consumer = Uuid::now_v7();
                self.runs_until = None;
                // An answer that still comes is about the one that is lost.
                self.call = None;
                return Change::Lost;
            }
        }
    }

    /// Waits for the answer of the call under way, which it makes if there is none.
    async fn answer(&mut self) -> Answer {
        loop {
            if self.call.is_none() {
                self.ask();
            }
            if let Some(call) = &mut self.call {
                let answer = call.await;
                self.call = None;
                match answer {
                    Ok(answer) => return answer,
                    Err(error) => tracing::error!(%error, "a call for the lease failed"),
                }
            }
        }
    }

    /// Begins the lease, or renews it.
    fn ask(&mut self) {
        let (db, consumer, length) = (self.db.clone(), self.consumer, self.length);
        self.renew_at = Instant::now() + length / RENEWALS;
        self.call = Some(match self.runs_until {
            None => tokio::spawn(async move {
                let begin = || async {
                    let asked = Instant::now();
                    lifecycle::lease::begin(&db, consumer, length)
                        .await
                        .map(|()| asked)
                };
                (persist("begin its lease", begin).await, Some(true))
            }),
            Some(_) => tokio::spawn(async move {
                let asked = Instant::now();
                let renewed = lifecycle::lease::renew(&db, consumer, length).await;
                if let Err(error) = &renewed {
                    tracing::warn!(%error, "consumer could not renew its lease; trying again");
                }
                (asked, renewed.ok())
            }),
        });
    }
}

/// Looks after what dead consumers have left, until `stop`.
pub(crate) async fn reclaim(db: DatabaseConnection, company: Company, stop: CancellationToken) {
    let Company::Others { lease } = company else {
        return;
    };
    let mut every = tokio::time::interval(lease / 2);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        match lifecycle::lease::reclaim(&db).await {
            Ok(0) => {}
            Ok(freed) => tracing::warn!(freed, "made due again what dead consumers held"),
            Err(error) => tracing::warn!(%error, "could not look for dead consumers"),
        }
    }
}

//! What one process does for all: it looks at the database as a whole, tells how it is, and tells operators what they must
//! know. Whichever API asks first does it, as long as it goes on asking.

use std::{sync::Arc, time::Duration};

use api::Sources;
use entity::{
    SourceName,
    lifecycle::{duty, figures},
};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    alerts::{
        Paced, Post, failures,
        silence::{self, Began, Known, Silence},
    },
    figures::{Database, Process, Snapshot},
};

/// The name of the duty.
const DUTY: &str = "watch";
/// From one look to the next, and how long a duty is another's after that one has stopped asking.
const EVERY: Duration = Duration::from_secs(5);
const LENGTH: Duration = Duration::from_secs(15);

pub struct Resources {
    /// For what is noted.
    pub write: DatabaseConnection,
    /// For what is looked at.
    pub read: DatabaseConnection,
    /// The sources, with their rules.
    pub sources: watch::Receiver<Arc<Sources>>,
    /// Whether consumers say what they hold.
    pub holders_are_known: bool,
    pub process: Arc<Process>,
    pub database: Arc<Database>,
    pub post: Option<Post>,
}

/// Looks and tells, while it is this process's duty, until `stop`; then gives the duty back.
pub async fn run(resources: Resources, stop: CancellationToken) {
    let holder = Uuid::now_v7();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = resources.post.clone().map(Told::new);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let held = duty::hold(&resources.write, DUTY, holder, LENGTH).await;
        resources.process.database_answered(held.is_ok());
        let looked = match held {
            Ok(true) => look(&resources).await.map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        let silences = match looked {
            Ok(Some((snapshot, silences))) => {
                resources.database.is(snapshot);
                silences
            }
            Ok(None) => {
                resources.database.is_not_known();
                continue;
            }
            Err(error) => {
                resources.database.is_not_known();
                tracing::warn!(event = "watch_failed", %error, "could not look at the database as a whole");
                continue;
            }
        };
        let Some(told) = &mut told else { continue };
        let step = told.step(&resources.write, &silences);
        if let Some(Err(error)) = stop.run_until_cancelled(step).await {
            tracing::warn!(event = "alert_not_noted", %error, "could not look whether an operator event is to be sent");
        }
    }
    if let Err(error) = duty::release(&resources.write, DUTY, holder).await {
        tracing::debug!(event = "duty_not_released", %error, "another process waits until the duty has run out");
    }
}

async fn look(resources: &Resources) -> Result<(Snapshot, Vec<Silence>), DbErr> {
    let db = &resources.read;
    let sources = resources.sources.borrow().clone();
    let rules: Vec<(SourceName, Duration)> = (sources.iter())
        .filter_map(|sender| Some((sender.name.parse().ok()?, sender.silent_after?)))
        .collect();
    let known = Known::load(db).await?;
    let silences = known.silences(&rules);
    let snapshot = Snapshot {
        unfinished: figures::unfinished(db).await?,
        holders_are_known: resources.holders_are_known,
        failures: figures::failures(db).await?,
        oldest: figures::oldest(db).await?,
        silent: silence::broken(&rules, &silences),
        heard: known.heard,
    };
    Ok((snapshot, silences))
}

/// What operators are told by whoever has the duty.
struct Told {
    failures: Paced,
    silences: Paced,
    began: Began,
}

impl Told {
    fn new(post: Post) -> Self {
        Self {
            failures: Paced::new(failures::KIND, post.clone()),
            silences: Paced::new(silence::KIND, post),
            began: Began::default(),
        }
    }

    async fn step(&mut self, db: &DatabaseConnection, silences: &[Silence]) -> Result<(), DbErr> {
        let gather = async |from, now| failures::gather(db, from, now).await;
        self.failures.step(db, gather).await?;
        let began = &mut self.began;
        let gather = async |from, now| Ok(began.gather(silences, from, now));
        self.silences.step(db, gather).await?;
        Ok(())
    }
}

//! A consumer that is stepped by hand.

use std::time::Duration;

use entity::{
    Status,
    lifecycle::{self, Received},
    outbox,
};
use queue::{Deliveries, Depth, Publisher, Queue, memory};
use sea_orm::{ActiveModelTrait as _, ConnectionTrait as _, DatabaseConnection, Set};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{Consumer, run::Step};
use crate::{
    Error, Settings, Tenancy, Work,
    fixtures::{database, received},
};

/// Longer than a test takes.
pub(super) const LATER: Duration = Duration::from_secs(600);

/// A consumer on a database and a queue of its own.
pub(super) struct Scene {
    pub(super) db: DatabaseConnection,
    pub(super) queue: Queue,
    pub(super) publisher: Publisher,
    pub(super) deliveries: Deliveries,
    pub(super) consumer: Consumer,
    pub(super) stop: CancellationToken,
}

impl Scene {
    async fn new(work: Work, tenancy: Tenancy) -> Self {
        let db = database().await;
        let queue = Queue::Memory(memory::Queue::new());
        let settings = Settings {
            work,
            retries: "10m".parse().unwrap(),
            prefetch: 1000,
            tenancy,
            grace: Duration::from_secs(5),
        };
        Self {
            consumer: Consumer::new(
                db.clone(),
                queue.name(),
                settings,
                (
                    Default::default(),
                    watch::Sender::new(false),
                    Default::default(),
                ),
            ),
            publisher: queue.publisher().await.unwrap(),
            deliveries: queue.deliveries(0),
            stop: CancellationToken::new(),
            queue,
            db,
        }
    }

    pub(super) async fn alone(work: Work) -> Self {
        Self::new(work, Tenancy::Exclusive).await
    }

    pub(super) async fn with_others(work: Work) -> Self {
        let tenancy = Tenancy::Shared {
            lease: Duration::from_secs(2),
            embedded: false,
        };
        Self::new(work, tenancy).await
    }

    /// Commits so many webhooks and publishes their ids.
    pub(super) async fn publish(&mut self, count: usize) -> Vec<Uuid> {
        self.publish_these((0..count).map(|_| received()).collect())
            .await
    }

    pub(super) async fn publish_these(&mut self, received: Vec<Received>) -> Vec<Uuid> {
        self.until_idle().await;
        lifecycle::receive(&self.db, &received, LATER)
            .await
            .unwrap();
        let ids: Vec<Uuid> = received.iter().map(|received| received.id).collect();
        self.publisher.publish(&ids).await.unwrap();
        ids
    }

    pub(super) async fn step(&mut self) -> Result<Step, Error> {
        let step = self.consumer.step(&mut self.deliveries, &self.stop);
        let in_time = tokio::time::timeout(Duration::from_secs(20), step).await;
        in_time.expect("something happens within 20 s")
    }

    /// Steps until `holds`.
    pub(super) async fn until(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        while !holds(self) {
            assert_eq!(self.step().await.unwrap(), Step::Handled);
        }
    }

    /// Until no statement is under way: one has the only connection until the consumer is stepped on.
    pub(super) async fn until_idle(&mut self) {
        self.until(|scene| !scene.is_asking()).await;
    }

    /// Until nothing is in flight and nothing is ready.
    pub(super) async fn until_quiet(&mut self) {
        loop {
            let depth = self.depth().await;
            if depth.ready == 0 && self.consumer.in_flight.len() == 0 && !self.is_asking() {
                return;
            }
            self.step().await.unwrap();
        }
    }

    fn is_asking(&self) -> bool {
        let it = &self.consumer;
        let is_idle = it.taking.is_empty()
            && it.recording.is_empty()
            && it.releasing.is_empty()
            && it.parking.is_empty()
            && it.noting.is_empty()
            && it.reading_pauses.is_empty();
        !is_idle
    }

    pub(super) async fn depth(&self) -> Depth {
        self.queue.depth().await.unwrap()
    }

    pub(super) async fn status(&self, id: Uuid) -> Status {
        lifecycle::statuses(&self.db, &[id]).await.unwrap()[&id]
    }

    /// So many consumers have died with it.
    pub(super) async fn deaths(&self, id: Uuid, crashes: i32) {
        let row = outbox::ActiveModel {
            id: Set(id),
            crashes: Set(crashes),
            ..Default::default()
        };
        row.update(&self.db).await.unwrap();
    }

    pub(super) async fn execute(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap();
    }
}

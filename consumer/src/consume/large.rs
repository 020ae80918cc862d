//! Events with a long body: it is in memory only while its call goes on, and there are only so many bytes of them at once.

use std::sync::Arc;

use entity::{
    Content,
    lifecycle::{self, Job},
};
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::persist::persist;
use crate::work::Whole;

/// Bytes at once of the bodies that are longer than [`lifecycle::BODY_BYTES_READ`].
pub(super) const LARGE_BYTES_MAX: u32 = 64 * 1024 * 1024;

pub(super) struct Large {
    bytes_max: u32,
    /// A permit for each byte.
    room: Arc<Semaphore>,
    /// Those who read take turns: nobody else's statements wait for many connections.
    reading: Arc<Mutex<()>>,
}

impl Large {
    pub(super) fn new(bytes_max: u32) -> Self {
        Self {
            bytes_max,
            room: Arc::new(Semaphore::new(bytes_max as usize)),
            reading: Arc::default(),
        }
    }

    /// Room for this one, until it is dropped. One that is longer than all the room is alone.
    pub(super) fn room(&self, job: &Job) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(job.body_left).unwrap_or(u32::MAX);
        let room = self.room.clone();
        room.try_acquire_many_owned(bytes.min(self.bytes_max)).ok()
    }

    /// Reads what is left of a job. An error says why it cannot be had: it is gone, or no repetition would help.
    pub(super) fn whole(
        &self,
        db: &DatabaseConnection,
        job: Arc<Job>,
        room: OwnedSemaphorePermit,
    ) -> impl Future<Output = Result<Whole, String>> + Send + use<> {
        let (db, reading) = (db.clone(), self.reading.clone());
        async move {
            let job = match job.body_left {
                0 => job,
                _ => read(&db, &reading, &job).await?.into(),
            };
            Ok(Whole { job, room })
        }
    }
}

async fn read(db: &DatabaseConnection, reading: &Mutex<()>, job: &Job) -> Result<Job, String> {
    let (id, bytes) = (job.id, job.body_left);
    let read = persist("read", || async {
        let _turn = reading.lock().await;
        lifecycle::body(db, id, bytes).await
    });
    let why = match read.await {
        Ok(Some(body)) => {
            let mut job = job.clone();
            if let Content::Event(event) = &mut job.webhook.content {
                event.payload.body = body;
            }
            return Ok(job);
        }
        Ok(None) => "its body is no longer stored".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::error!(event = "body_not_read", %id, why, "could not read an event's body; it is tried again");
    Err(why)
}

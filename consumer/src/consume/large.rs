//! Events with a long body: it is in memory only while its call goes on, and there are only so many such calls at once.

use std::sync::Arc;

use entity::{
    Content,
    lifecycle::{self, Job},
};
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::persist::persist;
use crate::work::Whole;

/// Calls at once whose body is longer than [`lifecycle::BODY_BYTES_READ`].
pub(super) const LARGE_CALLS_MAX: usize = 64;

pub(super) struct Large {
    room: Arc<Semaphore>,
    /// One body is read at a time: nobody else's statements wait for many connections.
    reading: Arc<Mutex<()>>,
}

impl Large {
    pub(super) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(LARGE_CALLS_MAX)),
            reading: Arc::default(),
        }
    }

    /// Room for one more such call, until it is dropped.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().ok()
    }

    /// Reads what is left of a job. An error says why it cannot be had: it is gone, or no repetition would help.
    pub(super) fn whole(
        &self,
        db: &DatabaseConnection,
        job: Arc<Job>,
        room: Option<OwnedSemaphorePermit>,
    ) -> impl Future<Output = Result<Whole, String>> + Send + use<> {
        let (db, reading) = (db.clone(), self.reading.clone());
        async move {
            let job = match job.body_is_left {
                true => {
                    let _turn = reading.lock().await;
                    read(&db, &job).await?.into()
                }
                false => job,
            };
            Ok(Whole { job, room })
        }
    }
}

async fn read(db: &DatabaseConnection, job: &Job) -> Result<Job, String> {
    let id = job.id;
    let read = persist("read", || lifecycle::payload(db, id)).await;
    let why = match read {
        Ok(Some(payload)) => {
            let mut job = job.clone();
            if let Content::Event(event) = &mut job.webhook.content {
                event.payload.body = payload.body;
            }
            return Ok(job);
        }
        Ok(None) => "its body is no longer stored".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::error!(event = "body_not_read", %id, why, "could not read an event's body; it is tried again");
    Err(why)
}

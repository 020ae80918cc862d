//! The consuming end: a task that keeps a session with the broker alive and passes deliveries one
//! way and settlements the other.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};

use super::{Broker, Shared, session::Session};
use crate::{BATCH_MAX, Backoff, Delivery, Settlement};

/// Batches that may wait on their way in either direction.
const BATCHES_WAITING: usize = 16;

/// A consumer's deliveries. Dropping it ends the task and with it the connection.
pub struct Deliveries {
    batches: mpsc::Receiver<Vec<Delivery>>,
    settled: mpsc::Sender<Vec<(Delivery, Settlement)>>,
    task: JoinHandle<()>,
}

impl Broker {
    pub(crate) fn deliveries(&self, prefetch: u32) -> Deliveries {
        self.0.consuming.want();
        let (batches_in, batches) = mpsc::channel(BATCHES_WAITING);
        let (settled, settled_out) = mpsc::channel(BATCHES_WAITING);
        let supervisor = Supervisor {
            shared: self.0.clone(),
            prefetch: prefetch.max(1),
            batches: batches_in,
            settled: settled_out,
        };
        Deliveries {
            batches,
            settled,
            task: tokio::spawn(supervisor.run()),
        }
    }
}

impl Deliveries {
    pub(crate) async fn next(&mut self) -> Vec<Delivery> {
        let Some(mut all) = self.batches.recv().await else {
            // The task ends only when this end is dropped.
            return std::future::pending().await;
        };
        while all.len() < BATCH_MAX
            && let Ok(more) = self.batches.try_recv()
        {
            all.extend(more);
        }
        all
    }

    pub(crate) async fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) {
        // An error means that the task is gone, and the connection with it: nothing to settle.
        let _ = self.settled.send(settled).await;
    }

    pub(crate) async fn close(self) {
        drop((self.batches, self.settled));
        // A panic in the task has been reported by the runtime.
        let _ = self.task.await;
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    prefetch: u32,
    batches: mpsc::Sender<Vec<Delivery>>,
    settled: mpsc::Receiver<Vec<(Delivery, Settlement)>>,
}

impl Supervisor {
    /// Session after session, until the other ends are dropped.
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        for number in 1.. {
            let failure = tokio::select! {
                session = Session::open(&self.shared, self.prefetch, number) => match session {
                    Ok(mut session) => {
                        backoff.reset();
                        match session.run(&self.batches, &mut self.settled).await {
                            Ok(()) => return session.close().await,
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                },
                () = forget(&mut self.settled) => return,
            };
            tracing::warn!(error = %failure, "consumer lost the broker; connecting again");
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = forget(&mut self.settled) => return,
            }
        }
    }
}

/// Drops settlements while there is no session: what they settle, the broker delivers again. Returns
/// when the consumer has gone.
async fn forget(settled: &mut mpsc::Receiver<Vec<(Delivery, Settlement)>>) {
    while settled.recv().await.is_some() {}
}

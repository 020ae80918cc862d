//! The consuming end: a task that keeps a session with the broker alive while one is wanted, and passes deliveries one
//! way and settlements the other.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{
    broker::{Broker, Shared},
    ends::{Batch, Ends, Settled, Wanted},
    session::Session,
};
use crate::{Backoff, Delivery, Error, Settlement, message::BATCH_MAX};

/// Batches of deliveries that may wait for the consumer.
const BATCHES_WAITING: usize = 16;

/// Batches of settlements that may wait for the session: as many as a consumer that settles every 10 ms makes in the 30 s
/// after which a session that stalls is ended.
const SETTLED_WAITING: usize = 3000;

/// A consumer's deliveries. Dropping it ends the task and with it the connection.
pub struct Deliveries {
    wanted: watch::Sender<Wanted>,
    batches: mpsc::Receiver<Batch>,
    settled: mpsc::Sender<Settled>,
    queue_was_created: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Broker {
    pub(crate) fn deliveries(&self, prefetch: u32) -> Deliveries {
        Deliveries::start(prefetch, |ends, queue_was_created| {
            let supervisor = Supervisor {
                shared: self.0.clone(),
                ends,
                queue_was_created,
            };
            tokio::spawn(supervisor.run())
        })
    }
}

impl Deliveries {
    fn start(prefetch: u32, task: impl FnOnce(Ends, Arc<AtomicBool>) -> JoinHandle<()>) -> Self {
        let (wanted, wanted_out) = watch::channel(Wanted { prefetch, epoch: 0 });
        let (batches_in, batches) = mpsc::channel(BATCHES_WAITING);
        let (settled, settled_out) = mpsc::channel(SETTLED_WAITING);
        let queue_was_created = Arc::new(AtomicBool::new(false));
        let ends = Ends {
            wanted: wanted_out,
            batches: batches_in,
            settled: settled_out,
        };
        Self {
            wanted,
            batches,
            settled,
            task: task(ends, queue_was_created.clone()),
            queue_was_created,
        }
    }

    pub(crate) fn subscribe(&mut self, prefetch: u32) {
        self.wanted.send_if_modified(|wanted| {
            if wanted.prefetch == prefetch {
                return false;
            }
            wanted.prefetch = prefetch;
            if prefetch == 0 {
                wanted.epoch += 1;
            }
            true
        });
    }

    pub(crate) async fn next(&mut self) -> Vec<Delivery> {
        loop {
            let Some(batch) = self.batches.recv().await else {
                // The task ends only when this end is dropped.
                return std::future::pending().await;
            };
            let mut all = self.valid(batch);
            while all.len() < BATCH_MAX
                && let Ok(more) = self.batches.try_recv()
            {
                all.extend(self.valid(more));
            }
            if !all.is_empty() {
                return all;
            }
        }
    }

    /// What is left of a batch when everything of earlier epochs has gone back.
    fn valid(&self, batch: Batch) -> Vec<Delivery> {
        match batch.epoch == self.wanted.borrow().epoch {
            true => batch.deliveries,
            false => Vec::new(),
        }
    }

    pub(crate) fn settle(&mut self, settled: Vec<(Delivery, Settlement)>) {
        if settled.is_empty() {
            return;
        }
        let epoch = self.wanted.borrow().epoch;
        // `Closed` means that the task is gone, and the connection with it: nothing to settle.
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.settled.try_send(Settled { epoch, settled })
        {
            tracing::warn!(
                event = "settlements_not_taken",
                "the broker takes no settlements; everything unsettled goes back to the queue"
            );
            self.wanted.send_modify(|wanted| wanted.epoch += 1);
        }
    }

    pub(crate) fn queue_was_created(&mut self) -> bool {
        self.queue_was_created.swap(false, Ordering::Relaxed)
    }

    pub(crate) async fn close(self) {
        drop((self.batches, self.settled));
        // A panic in the task has been reported by the runtime.
        let _ = self.task.await;
    }
}

struct Supervisor {
    shared: Arc<Shared>,
    ends: Ends,
    queue_was_created: Arc<AtomicBool>,
}

/// Why there is no session any more, or none yet.
enum Ended {
    /// The consumer has gone.
    Gone,
    /// The consumer wants no deliveries, so there is no need for one.
    Unwanted,
    Failed(Error),
}

impl Supervisor {
    /// Session after session while the consumer is subscribed, until it has gone. One that is there when the consumer
    /// unsubscribes is kept, idle; one that ends meanwhile is not replaced before it is wanted.
    async fn run(mut self) {
        let mut backoff = Backoff::new();
        for number in 1.. {
            let ended = match self.until_wanted().await {
                Ok(()) => self.session(number, &mut backoff).await,
                Err(ended) => ended,
            };
            match ended {
                Ended::Gone => return,
                Ended::Unwanted => continue,
                // Logged, once for all connections.
                Ended::Failed(Error::Denied(_)) => {}
                Ended::Failed(error) => {
                    tracing::warn!(event = "consumer_lost_broker", %error, "consumer lost the broker; connecting again");
                }
            }
            let Ends {
                wanted, settled, ..
            } = &mut self.ends;
            tokio::select! {
                () = tokio::time::sleep(backoff.next_wait()) => {}
                () = unwanted(wanted) => {}
                () = forget(settled) => return,
            }
        }
    }

    /// Waits until the consumer is subscribed.
    async fn until_wanted(&mut self) -> Result<(), Ended> {
        if self.ends.wanted.borrow().prefetch == 0 {
            self.shared.consuming.rest();
        }
        let Ends {
            wanted, settled, ..
        } = &mut self.ends;
        let wanted = wanted.wait_for(|wanted| wanted.prefetch > 0);
        tokio::select! {
            wanted = wanted => drop(wanted.map_err(|_| Ended::Gone)?),
            () = forget(settled) => return Err(Ended::Gone),
        }
        self.shared.consuming.want();
        Ok(())
    }

    /// One session, from the first attempt to connect to its end.
    async fn session(&mut self, number: u32, backoff: &mut Backoff) -> Ended {
        let Ends {
            wanted, settled, ..
        } = &mut self.ends;
        let opened = tokio::select! {
            opened = Session::open(&self.shared, number) => opened,
            () = unwanted(wanted) => return Ended::Unwanted,
            () = forget(settled) => return Ended::Gone,
        };
        let mut session = match opened {
            Ok(session) => session,
            Err(error) => return Ended::Failed(error),
        };
        if session.queue_was_created() {
            self.queue_was_created.store(true, Ordering::Relaxed);
        }
        match session.run(&mut self.ends).await {
            Ok(()) => {
                session.close().await;
                Ended::Gone
            }
            Err(error) if self.ends.wanted.borrow().prefetch == 0 => {
                tracing::debug!(%error, "an idle consumer lost the broker");
                Ended::Unwanted
            }
            Err(error) => {
                // Not before: a broker may take every connection and end each at once.
                if session.has_proven_itself() {
                    backoff.reset();
                }
                Ended::Failed(error)
            }
        }
    }
}

/// Returns when the consumer is not subscribed.
async fn unwanted(wanted: &mut watch::Receiver<Wanted>) {
    // An error means that the consumer has gone.
    let _ = wanted.wait_for(|wanted| wanted.prefetch == 0).await;
}

/// Drops settlements while there is no session: what they settle, the broker delivers again. Returns
/// when the consumer has gone.
async fn forget(settled: &mut mpsc::Receiver<Settled>) {
    while settled.recv().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::message::DeliveryTag;

    /// A consumer's end, and the session's ends, of which nobody takes anything.
    async fn stalled() -> (Deliveries, Ends) {
        let (give, given) = tokio::sync::oneshot::channel();
        let deliveries = Deliveries::start(1, |ends, _| {
            tokio::spawn(async move { drop(give.send(ends)) })
        });
        (deliveries, given.await.ok().unwrap())
    }

    fn delivery() -> Delivery {
        Delivery {
            id: Uuid::now_v7(),
            redelivered: false,
            receipt: DeliveryTag {
                session: 1,
                channel: 1,
                tag: 1,
            },
        }
    }

    #[tokio::test]
    async fn settlements_that_a_session_does_not_take_wait_within_a_bound_and_nobody_waits_for_them()
     {
        let (mut deliveries, mut ends) = stalled().await;
        for _ in 0..SETTLED_WAITING {
            deliveries.settle(vec![(delivery(), Settlement::Ack)]);
        }
        assert_eq!(ends.wanted.borrow_and_update().epoch, 0);
        deliveries.settle(vec![(delivery(), Settlement::Ack)]);
        // Everything is to go back now, and the consumer stays subscribed.
        let wanted = Wanted {
            prefetch: 1,
            epoch: 1,
        };
        assert_eq!(*ends.wanted.borrow_and_update(), wanted);
    }

    #[tokio::test]
    async fn a_batch_of_an_earlier_epoch_is_void() {
        let (mut deliveries, ends) = stalled().await;
        let send = async |epoch| {
            let deliveries = vec![delivery()];
            ends.batches.send(Batch { epoch, deliveries }).await.ok();
        };
        send(0).await;
        assert_eq!(deliveries.next().await.len(), 1);
        send(0).await;
        deliveries.subscribe(0);
        deliveries.subscribe(1);
        assert!(deliveries.next().now_or_never().is_none());
        send(0).await;
        send(1).await;
        assert_eq!(deliveries.next().await.len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_done_about_a_prefetch_that_stays_the_same() {
        let (mut deliveries, mut ends) = stalled().await;
        ends.wanted.mark_unchanged();
        deliveries.subscribe(1);
        assert!(!ends.wanted.has_changed().unwrap());
        deliveries.subscribe(2);
        assert!(ends.wanted.has_changed().unwrap());
    }
}

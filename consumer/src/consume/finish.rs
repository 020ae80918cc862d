//! The way out of hand: what came of the work is committed, and then its deliveries are settled.

use super::*;

/// Outcomes that are committed together, at most.
const FINISH_BATCH_MAX: usize = 2048;

/// What has been committed.
pub(super) enum Finished {
    Done(Vec<Uuid>),
    Concluded(Vec<Conclusion>),
}

impl Consumer {
    pub(super) fn start_finishing(&mut self) {
        if !self.finishing.is_empty() || (self.done.is_empty() && self.conclusions.is_empty()) {
            return;
        }
        let Some(holder) = self.lease.holder() else {
            return;
        };
        self.next_finish = Instant::now() + CALL_EVERY;
        let db = self.db.clone();
        if self.done.is_empty() {
            let conclusions = batch_of(&mut self.conclusions);
            let conclude = async move {
                failpoint::here(Point::ConsumerBeforeFinish);
                let conclude = || lifecycle::conclude(&db, holder, &conclusions);
                persist("conclude", conclude).await;
                failpoint::here(Point::ConsumerAfterFinish);
                Finished::Concluded(conclusions)
            };
            self.finishing.push(conclude.boxed());
        } else {
            let ids = batch_of(&mut self.done);
            let finish = async move {
                failpoint::here(Point::ConsumerBeforeFinish);
                persist("finish", || lifecycle::finish(&db, holder, &ids)).await;
                failpoint::here(Point::ConsumerAfterFinish);
                Finished::Done(ids)
            };
            self.finishing.push(finish.boxed());
        }
    }

    /// Lets go of ids whose outcome has been committed; returns how their deliveries are settled.
    pub(super) fn let_go(&mut self, finished: Finished) -> Settled {
        let mut settled = Vec::new();
        match finished {
            Finished::Done(ids) => {
                for id in ids {
                    self.suspects.forget(id);
                    settled.extend(self.in_hand.release(id, Settlement::Ack, Settlement::Ack));
                }
            }
            Finished::Concluded(conclusions) => {
                for Conclusion { id, next, .. } in conclusions {
                    self.suspects.forget(id);
                    let (first, joined) = match next {
                        Next::Processed => (Settlement::Ack, Settlement::Ack),
                        // What has joined may be the message that brings the next attempt.
                        Next::Again { .. } => (Settlement::Ack, Settlement::Requeue),
                        Next::Failed { verdict, .. } => {
                            tracing::error!(%id, ?verdict, "gave up a transaction: it is FAILED");
                            (Settlement::DeadLetter, Settlement::Ack)
                        }
                    };
                    settled.extend(self.in_hand.release(id, first, joined));
                }
            }
        }
        settled
    }

    /// Stops all work and hands everything back: others may begin on it from now on.
    pub(super) fn abandon(&mut self) -> Settled {
        tracing::warn!(
            in_hand = self.in_hand.len(),
            "consumer could not renew its lease in time; everything in hand goes back to the queue"
        );
        self.breaker.abandoned();
        self.suspects.clear();
        self.orders.clear();
        self.working.clear();
        self.done.clear();
        self.conclusions.clear();
        self.in_hand.release_all(Settlement::Requeue)
    }

    /// Waits for calls under way, commits and settles everything that is done, and leaves the rest.
    /// Returns how much that is.
    pub(super) async fn wind_up(&mut self, deliveries: &mut Deliveries) -> usize {
        let until = Instant::now() + self.settings.grace;
        if matches!(self.settings.work, Work::Simulate { .. }) {
            // Nobody has been called.
            self.working.clear();
        }
        loop {
            self.start_finishing();
            if self.working.is_empty() && self.finishing.is_empty() {
                return self.in_hand.len();
            }
            tokio::select! {
                change = self.lease.change() => if matches!(change, Change::Lost) {
                    deliveries.settle(self.abandon()).await;
                },
                () = sleep_until(until), if !self.working.is_empty() => self.working.clear(),
                Some(ended) = self.working.next() => self.hear(ended),
                Some(finished) = self.finishing.next() => {
                    deliveries.settle(self.let_go(finished)).await;
                }
            }
        }
    }
}

/// The end of what has gathered, as much as fits in one commit.
fn batch_of<T>(gathered: &mut Vec<T>) -> Vec<T> {
    gathered.split_off(gathered.len().saturating_sub(FINISH_BATCH_MAX))
}

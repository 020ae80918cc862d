//! The way out of hand: what came of the work is committed, and then its deliveries are settled.

use entity::{
    Status,
    lifecycle::{self, Attempt, Conclusion, Holder, Next},
};
use failpoint::Point;
use futures::{FutureExt, StreamExt};
use queue::{Deliveries, Settlement};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{
    CALL_EVERY, Consumer, Finished, Settled, persist::persist, subscription::RELEASED_FOR,
};
use crate::{Error, lease::Change, work::Work};

/// Outcomes that are committed together, at most.
const FINISH_BATCH_MAX: usize = 2048;

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
                let recorded = conclude(&db, holder, &conclusions).await?;
                failpoint::here(Point::ConsumerAfterFinish);
                if recorded == conclusions.len() as u64 {
                    return Ok(Finished::Concluded(conclusions));
                }
                standing(&db, conclusions.iter().map(|one| one.id).collect()).await
            };
            self.finishing.push(conclude.boxed());
        } else {
            let ids = batch_of(&mut self.done);
            let finish = async move {
                failpoint::here(Point::ConsumerBeforeFinish);
                let finish = || lifecycle::finish(&db, holder, &ids);
                let finished = persist("finish", finish).await?;
                failpoint::here(Point::ConsumerAfterFinish);
                if finished == ids.len() as u64 {
                    return Ok(Finished::Done(ids));
                }
                standing(&db, ids).await
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
                    settled.extend(self.in_flight.release(id, Settlement::Ack, Settlement::Ack));
                }
            }
            Finished::Concluded(conclusions) => {
                for Conclusion { id, next, .. } in conclusions {
                    let (first, joined) = match next {
                        Next::Held { rest } => {
                            let held = self.held.remove(&id);
                            self.resting.extend(held.map(|job| job.rest(rest)));
                            continue;
                        }
                        Next::Processed => (Settlement::Ack, Settlement::Ack),
                        // What has joined may be the message that brings the next attempt.
                        Next::Again { .. } => (Settlement::Ack, Settlement::Requeue),
                        Next::Failed { verdict, .. } => {
                            tracing::error!(event = "transaction_failed", %id, ?verdict, "gave up a transaction: it is FAILED");
                            (Settlement::DeadLetter, Settlement::Ack)
                        }
                    };
                    self.suspects.forget(id);
                    settled.extend(self.in_flight.release(id, first, joined));
                }
            }
            Finished::Standing(ids, standing) => {
                for id in ids {
                    self.held.remove(&id);
                    self.suspects.forget(id);
                    let first = match standing.get(&id) {
                        Some(Status::Failed) => Settlement::DeadLetter,
                        // Final, or somebody else's.
                        Some(Status::Processed | Status::Processing) | None => Settlement::Ack,
                    };
                    settled.extend(self.in_flight.release(id, first, Settlement::Requeue));
                }
            }
        }
        settled
    }

    /// Stops all work and hands everything back: others may begin on it from now on.
    pub(super) async fn abandon(&mut self, deliveries: &mut Deliveries) {
        tracing::warn!(
            event = "lease_lost",
            in_flight = self.in_flight.len(),
            "consumer could not renew its lease in time; everything in flight goes back to the queue"
        );
        self.circuit.abandoned();
        self.suspects.clear();
        self.orders.clear();
        self.held.clear();
        self.resting.clear();
        self.working.clear();
        self.done.clear();
        self.conclusions.clear();
        // What is under way there repeats itself while the database is away, and is in the lost lease's name.
        self.taking.clear();
        self.finishing.clear();
        self.releasing.clear();
        deliveries
            .settle(self.in_flight.release_all(Settlement::Requeue))
            .await;
        deliveries.subscribe(0);
    }

    /// Waits for calls under way, commits and settles everything that is done, and leaves the rest.
    /// Returns how much that is.
    pub(super) async fn wind_up(&mut self, deliveries: &mut Deliveries) -> Result<usize, Error> {
        let until = Instant::now() + self.settings.grace;
        if matches!(self.settings.work, Work::Simulate { .. }) {
            // Nobody has been called.
            self.working.clear();
        }
        loop {
            self.start_finishing();
            if self.working.is_empty() && self.finishing.is_empty() {
                return Ok(self.in_flight.len());
            }
            tokio::select! {
                change = self.lease.change() => if change? == Change::Lost {
                    self.abandon(deliveries).await;
                },
                () = sleep_until(until), if !self.working.is_empty() => self.working.clear(),
                Some(ended) = self.working.next() => self.on_ended(ended),
                Some(finished) = self.finishing.next() => {
                    let settled = self.let_go(finished.map_err(Error::Database)?);
                    deliveries.settle(settled).await;
                }
            }
        }
    }
}

/// The beginning of what has gathered, as much as fits in one commit: the oldest first.
fn batch_of<T>(gathered: &mut Vec<T>) -> Vec<T> {
    let rest = gathered.split_off(gathered.len().min(FINISH_BATCH_MAX));
    std::mem::replace(gathered, rest)
}

/// Fewer were ours than we thought: they were final already (an answer of the database was lost, and we have repeated
/// ourselves), or somebody else has taken them.
async fn standing(db: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Finished, DbErr> {
    let standing = persist("look up", || lifecycle::load(db, &ids)).await?;
    let others = standing
        .values()
        .filter(|status| **status == Status::Processing)
        .count();
    if others > 0 {
        tracing::warn!(
            event = "not_ours",
            others,
            "outcomes were not recorded: others have these transactions now"
        );
    }
    Ok(Finished::Standing(ids, standing))
}

/// Records conclusions. Where the database refuses one for its data, the others must not suffer for it: it is recorded
/// without the service's words, which are the only thing in it that we have not made.
async fn conclude(
    db: &DatabaseConnection,
    holder: Holder,
    conclusions: &[Conclusion],
) -> Result<u64, DbErr> {
    let conclude = || lifecycle::conclude(db, holder, conclusions);
    match persist("conclude", conclude).await {
        Err(error) if lifecycle::refuses_the_data(&error) => {
            tracing::error!(event = "outcomes_refused", %error, conclusions = conclusions.len(), "the database refuses what an attempt has led to");
        }
        outcome => return outcome,
    }
    let mut recorded = 0;
    for conclusion in conclusions {
        let one = std::slice::from_ref(conclusion);
        let alone = persist("conclude", || lifecycle::conclude(db, holder, one)).await;
        recorded += match alone {
            Err(error) if lifecycle::refuses_the_data(&error) => {
                let plain = [without_words(conclusion)];
                match persist("conclude", || lifecycle::conclude(db, holder, &plain)).await {
                    Err(error) if lifecycle::refuses_the_data(&error) => {
                        tracing::error!(event = "outcome_refused", %error, id = %conclusion.id, "an outcome cannot be recorded; it is tried again");
                        let ids = [conclusion.id];
                        let release = || lifecycle::release(db, holder, &ids, RELEASED_FOR);
                        persist("release", release).await?;
                        0
                    }
                    outcome => outcome?,
                }
            }
            outcome => outcome?,
        };
    }
    Ok(recorded)
}

/// The same, with nothing in it that is not ASCII.
fn without_words(conclusion: &Conclusion) -> Conclusion {
    let plain = |text: &str| -> String {
        let ascii = |c: char| if c.is_ascii() { c } else { '?' };
        text.chars().map(ascii).collect()
    };
    Conclusion {
        id: conclusion.id,
        attempt: conclusion.attempt.as_ref().map(|attempt| Attempt {
            error: attempt.error.as_deref().map(plain),
            ..attempt.clone()
        }),
        next: match &conclusion.next {
            Next::Failed { verdict, reason } => Next::Failed {
                verdict: *verdict,
                reason: plain(reason),
            },
            next => next.clone(),
        },
    }
}

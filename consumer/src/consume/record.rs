//! The commit: what came of the work is recorded, all that has gathered in one statement.

use entity::{
    Status,
    lifecycle::{self, Attempt, Holder, Record, Transition},
};
use failpoint::Point;
use futures::FutureExt;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::Instant;
use uuid::Uuid;

use super::{CALL_EVERY, Consumer, Recorded, persist::persist, subscription::RELEASED_FOR};

/// Records that are committed together, at most.
const BATCH_MAX: usize = 2048;

impl Consumer {
    pub(super) fn start_recording(&mut self, now: Instant) {
        if self.records.is_empty() || !self.recording.is_empty() {
            return;
        }
        let Some(holder) = self.lease.holder() else {
            return;
        };
        self.next_record = now + CALL_EVERY;
        let db = self.db.clone();
        // The oldest first.
        let rest = self.records.split_off(self.records.len().min(BATCH_MAX));
        let records = std::mem::replace(&mut self.records, rest);
        let record = async move {
            failpoint::here(Point::ConsumerBeforeFinish);
            let recorded = record(&db, holder, &records).await?;
            failpoint::here(Point::ConsumerAfterFinish);
            match recorded == records.len() as u64 {
                true => Ok(Recorded::All(records)),
                false => standing(&db, records.iter().map(|record| record.id).collect()).await,
            }
        };
        self.recording.push(record.boxed());
    }
}

/// Fewer were ours than we thought: they were final already (an answer of the database was lost, and we have repeated
/// ourselves), or somebody else has taken them.
async fn standing(db: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Recorded, DbErr> {
    let standing = persist("look up", || lifecycle::statuses(db, &ids)).await?;
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
    Ok(Recorded::Standing(ids, standing))
}

/// Records a batch. Where the database refuses one record for its data, the others must not suffer for it.
async fn record(db: &DatabaseConnection, holder: Holder, records: &[Record]) -> Result<u64, DbErr> {
    let record = || lifecycle::record(db, holder, records);
    match persist("record", record).await {
        Err(error) if lifecycle::refuses_the_data(&error) => {
            tracing::error!(event = "outcomes_refused", %error, records = records.len(), "the database refuses what an attempt has led to");
        }
        outcome => return outcome,
    }
    let mut recorded = 0;
    for record in records {
        recorded += record_alone(db, holder, record).await?;
    }
    Ok(recorded)
}

/// Records one; if its data is refused, without the service's words, which are the only thing in it that we have not made.
async fn record_alone(
    db: &DatabaseConnection,
    holder: Holder,
    record: &Record,
) -> Result<u64, DbErr> {
    let mut outcome = Ok(0);
    for one in [record.clone(), in_ascii(record)] {
        let one = [one];
        outcome = persist("record", || lifecycle::record(db, holder, &one)).await;
        if !matches!(&outcome, Err(error) if lifecycle::refuses_the_data(error)) {
            return outcome;
        }
    }
    if let Err(error) = outcome {
        tracing::error!(event = "outcome_refused", %error, id = %record.id, "an outcome cannot be recorded; it is tried again");
    }
    let ids = [record.id];
    let release = || lifecycle::release(db, holder, &ids, RELEASED_FOR);
    persist("release", release).await?;
    Ok(0)
}

/// The same, with nothing in it that is not ASCII.
fn in_ascii(record: &Record) -> Record {
    let ascii = |text: &str| -> String {
        let ascii = |c: char| if c.is_ascii() { c } else { '?' };
        text.chars().map(ascii).collect()
    };
    Record {
        id: record.id,
        attempt: record.attempt.as_deref().map(|attempt| {
            Box::new(Attempt {
                error: attempt.error.as_deref().map(ascii),
                ..attempt.clone()
            })
        }),
        next: match &record.next {
            Transition::Failed { verdict, reason } => Transition::Failed {
                verdict: *verdict,
                reason: ascii(reason),
            },
            next => next.clone(),
        },
    }
}

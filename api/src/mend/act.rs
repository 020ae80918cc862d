//! What can be done to one transaction, and what is said of what came of it. Who asks in another way than over HTTP does the
//! same.

use entity::{
    Status,
    lifecycle::operate::{By, GivenUp, Replayed, Retried, give_up, replay, retry},
};
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

/// What an operator does to one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reopen what is `FAILED`.
    Retry,
    /// Have the call of what is `PROCESSED` made once more.
    Replay,
    /// Make what is `PROCESSING` `FAILED`, or end its replay.
    GiveUp,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and the transaction is this now.
    Done(Status),
    /// There is no such transaction.
    Unknown,
    /// Nothing is changed, for this reason: a sentence without its full stop.
    Cannot(&'static str),
}

const CONTENT_GONE: &str =
    "its content is no longer kept, so downstream could not be told what it is";

/// Does it to the transaction with this row id.
pub async fn act(db: &DatabaseConnection, act: Act, id: Uuid, by: &By) -> Result<Outcome, DbErr> {
    Ok(match act {
        Act::Retry => of_retry(retry(db, id, by).await?),
        Act::Replay => of_replay(replay(db, id, by).await?),
        Act::GiveUp => of_give_up(give_up(db, id, by).await?),
    })
}

fn of_retry(retried: Retried) -> Outcome {
    match retried {
        Retried::Reopened => Outcome::Done(Status::Processing),
        Retried::Unknown => Outcome::Unknown,
        Retried::ContentGone => Outcome::Cannot(CONTENT_GONE),
        Retried::Not(Status::Processed) => Outcome::Cannot(
            "only what is FAILED can be retried, and it is PROCESSED; its call can be replayed",
        ),
        Retried::Not(Status::Processing | Status::Failed) => Outcome::Cannot(
            "only what is FAILED can be retried, and it is PROCESSING: its work goes on by itself",
        ),
    }
}

fn of_replay(replayed: Replayed) -> Outcome {
    match replayed {
        Replayed::Queued => Outcome::Done(Status::Processed),
        Replayed::Unknown => Outcome::Unknown,
        Replayed::ContentGone => Outcome::Cannot(CONTENT_GONE),
        Replayed::Already => Outcome::Cannot("it is being replayed already"),
        Replayed::Not(Status::Failed) => Outcome::Cannot(
            "only what is PROCESSED can be replayed, and it is FAILED; it can be retried",
        ),
        Replayed::Not(Status::Processing | Status::Processed) => {
            Outcome::Cannot("only what is PROCESSED can be replayed, and it is PROCESSING")
        }
    }
}

fn of_give_up(given_up: GivenUp) -> Outcome {
    match given_up {
        GivenUp::Failed => Outcome::Done(Status::Failed),
        GivenUp::ReplayEnded => Outcome::Done(Status::Processed),
        GivenUp::Unknown => Outcome::Unknown,
        GivenUp::InHand => Outcome::Cannot(
            "a consumer is working on it, or may be; ask again when the attempt has ended",
        ),
        GivenUp::Not(Status::Processed) => {
            Outcome::Cannot("only what is PROCESSING can be given up, and it is PROCESSED")
        }
        GivenUp::Not(Status::Failed | Status::Processing) => {
            Outcome::Cannot("only what is PROCESSING can be given up, and it is FAILED")
        }
    }
}

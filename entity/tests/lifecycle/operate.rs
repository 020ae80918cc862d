//! What operators do.

mod bulk;
mod give_up;
mod pause;
mod replay;
mod retry;

use entity::{
    Outcome, Verdict, audit,
    lifecycle::{Attempt, Transition, operate::By},
};
use time::OffsetDateTime;

use crate::*;

pub(crate) fn by(reason: &str) -> By {
    By {
        who: "cli:ops".parse().unwrap(),
        reason: reason.parse().unwrap(),
    }
}

/// The audit, oldest first: what, why, about which transaction, how many.
pub(crate) async fn audited(db: &DatabaseConnection) -> Vec<audit::Model> {
    let page = lifecycle::operate::audit::page(db, ALL, 1_000)
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.lines.into_iter().rev().collect()
}

pub(crate) async fn acts(db: &DatabaseConnection) -> Vec<String> {
    audited(db).await.into_iter().map(|line| line.act).collect()
}

/// An attempt that ended like this.
pub(crate) fn attempt(id: Uuid, number: u32, outcome: Outcome) -> Option<Box<Attempt>> {
    Some(Box::new(Attempt {
        id,
        number,
        started_at: OffsetDateTime::UNIX_EPOCH,
        took: Duration::from_millis(5),
        outcome,
        status: Some(400),
        error: None,
        retry_after: None,
    }))
}

pub(crate) fn failed(id: Uuid, number: u32, reason: &str) -> Record {
    Record {
        id,
        attempt: attempt(id, number, Outcome::Refused),
        next: Transition::Failed {
            verdict: Verdict::Permanent,
            reason: reason.into(),
        },
    }
}

/// These webhooks, each tried once and failed for its reason.
pub(crate) async fn all_failed(
    db: &DatabaseConnection,
    webhooks: impl IntoIterator<Item = (Webhook, &str)>,
) -> Vec<Uuid> {
    let (_, holder) = consumer(db).await;
    let mut ids = Vec::new();
    for (webhook, reason) in webhooks {
        let received = received(webhook);
        receive_one(db, &received).await;
        assert_eq!(take(db, holder, &[received.id]).await.mine, [received.id]);
        let record = failed(received.id, 1, reason);
        assert_eq!(record_all(db, holder, &[record]).await, 1);
        ids.push(received.id);
    }
    ids
}

/// One that was tried once and has failed.
pub(crate) async fn one_failed(db: &DatabaseConnection) -> Uuid {
    all_failed(db, [(webhook("t1"), "answered 400")]).await[0]
}

/// One that is processed, after one attempt.
pub(crate) async fn one_processed(db: &DatabaseConnection) -> Uuid {
    let received = received(webhook("t1"));
    receive_one(db, &received).await;
    let (_, holder) = consumer(db).await;
    take(db, holder, &[received.id]).await;
    let done = Record {
        attempt: attempt(received.id, 1, Outcome::Succeeded),
        ..Record::processed(received.id)
    };
    assert_eq!(record_all(db, holder, &[done]).await, 1);
    received.id
}

/// A relay publishes what is due, and a new consumer takes it.
pub(crate) async fn taken(db: &DatabaseConnection, ids: &[Uuid]) -> Holder {
    let mut sorted = ids.to_vec();
    sorted.sort();
    assert_eq!(claim_retries(db).await, sorted);
    let (_, holder) = consumer(db).await;
    assert_eq!(take(db, holder, ids).await.mine, ids);
    holder
}

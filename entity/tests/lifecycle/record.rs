//! Work that can fail: jobs, records, and those that kill their consumers.

use entity::{
    Outcome, Verdict,
    lifecycle::{Attempt, Record, Transition, attempts, failure},
};
use time::OffsetDateTime;

use crate::*;

on_both! {
    a_job_says_what_the_sender_said
    work_that_is_done_is_processed_with_its_attempt
    work_that_is_refused_is_failed_with_its_reason
    work_that_is_to_be_repeated_waits_for_its_time
    an_attempt_that_counts_for_nothing_has_a_number_all_the_same
    what_is_held_on_to_stays_its_consumers
    a_record_that_is_repeated_changes_nothing
    a_late_record_changes_nothing
    a_suspect_is_taken_only_by_who_asks_for_it
}

fn attempt(id: Uuid, number: u32, outcome: Outcome) -> Attempt {
    Attempt {
        id,
        number,
        started_at: OffsetDateTime::from_unix_timestamp(1_705_314_600).unwrap()
            + Duration::from_millis(250),
        took: Duration::from_millis(1234),
        outcome,
        status: Some(503),
        error: Some("answered 503: \"no\" ünï".into()),
        retry_after: None,
    }
}

fn outcome(attempt: Attempt, next: Transition) -> Record {
    Record {
        id: attempt.id,
        attempt: Some(Box::new(attempt)),
        next,
    }
}

async fn record(db: &DatabaseConnection, holder: Holder, record: Record) -> u64 {
    record_all(db, holder, &[record]).await
}

/// One webhook that a living consumer has taken.
async fn one_taken(db: &DatabaseConnection) -> (Uuid, Holder) {
    let received = received(webhook("t1"));
    receive_one(db, &received).await;
    let (_, holder) = consumer(db).await;
    assert_eq!(take(db, holder, &[received.id]).await.mine, [received.id]);
    (received.id, holder)
}

async fn a_job_says_what_the_sender_said(db: DatabaseConnection) {
    let mut batch = ["t1", "t2"].map(|id| received(webhook(id)));
    batch[0].webhook = with("t1", |payment| payment.amount = "-0.0001".parse().unwrap());
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let finished = batch[1].id;
    finish(&db, Holder::Sole, &[finished]).await;
    let [first, _] = batch;
    let jobs = lifecycle::jobs(&db, &[first.id, finished]).await.unwrap();
    let [job] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    assert_eq!((job.id, &job.webhook), (first.id, &first.webhook));
    assert_eq!(job.attempt, 1);
}

async fn work_that_is_done_is_processed_with_its_attempt(db: DatabaseConnection) {
    let (id, holder) = one_taken(&db).await;
    let done = attempt(id, 1, Outcome::Succeeded);
    assert_eq!(
        record(&db, holder, outcome(done.clone(), Transition::Processed)).await,
        1
    );
    let row = find(&db, "t1").await.unwrap();
    assert_eq!(row.status, Status::Processed);
    assert!(row.processed_at.is_some());
    let [kept] = &attempts(&db, id).await.unwrap()[..] else {
        panic!("one attempt")
    };
    assert_eq!((kept.number, kept.outcome), (1, Outcome::Succeeded));
    assert_eq!((kept.started_at, kept.took_ms), (done.started_at, 1234));
    assert_eq!((kept.status, &kept.error), (Some(503), &done.error));
    assert_eq!(failure(&db, id).await.unwrap(), None);
    assert_eq!(outbox_count(&db).await, 0);
}

async fn work_that_is_refused_is_failed_with_its_reason(db: DatabaseConnection) {
    let (id, holder) = one_taken(&db).await;
    let next = Transition::Failed {
        verdict: Verdict::Permanent,
        reason: "answered 400".into(),
    };
    let refused = attempt(id, 1, Outcome::Refused);
    assert_eq!(record(&db, holder, outcome(refused, next)).await, 1);
    let row = find(&db, "t1").await.unwrap();
    assert_eq!((row.status, row.processed_at), (Status::Failed, None));
    let failure = failure(&db, id).await.unwrap().unwrap();
    assert_eq!(failure.verdict, Verdict::Permanent);
    assert_eq!(failure.reason, "answered 400");
    assert_eq!(outbox_count(&db).await, 0);
    let taken = take(&db, holder, &[id]).await;
    assert_eq!(taken.others[&id], Status::Failed);
}

/// What follows from an attempt that has failed.
fn again(after: Duration) -> Transition {
    Transition::Retry {
        after,
        counts: true,
    }
}

async fn work_that_is_to_be_repeated_waits_for_its_time(db: DatabaseConnection) {
    let (id, holder) = one_taken(&db).await;
    let later = outcome(attempt(id, 1, Outcome::Failed), again(LATER));
    assert_eq!(record(&db, holder, later).await, 1);
    assert_eq!(outbox_count(&db).await, 0);
    // A message that is left over from the first attempt, and a note that comes late.
    for holder in [holder, Holder::Sole] {
        let taken = take(&db, holder, &[id]).await;
        assert_eq!(
            (taken.mine.len(), taken.others[&id]),
            (0, Status::Processing)
        );
    }
    due::defer_published(&db, &[id], NOW).await.unwrap();
    assert!(claim_retries(&db).await.is_empty());
    // A queue that is new is no reason to hurry, and neither is a message that comes back.
    due::come_back(&db, &[id], NOW).await.unwrap();
    assert!(!due::republish_retries(&db, NOW).await.unwrap());
    assert!(claim_retries(&db).await.is_empty());

    let two = received(webhook("t2"));
    receive_one(&db, &two).await;
    assert_eq!(take(&db, holder, &[two.id]).await.mine, [two.id]);
    let soon = outcome(attempt(two.id, 1, Outcome::Failed), again(NOW));
    assert_eq!(record(&db, holder, soon).await, 1);
    assert!(take(&db, holder, &[two.id]).await.mine.is_empty());
    assert_eq!(claim_retries(&db).await, [two.id]);
    assert_eq!(take(&db, holder, &[two.id]).await.mine, [two.id]);
    let job = lifecycle::jobs(&db, &[two.id]).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.failures, job.deferrals), (2, 1, 0));
}

async fn an_attempt_that_counts_for_nothing_has_a_number_all_the_same(db: DatabaseConnection) {
    let (id, holder) = one_taken(&db).await;
    for number in 1..=3 {
        let next = Transition::Retry {
            after: NOW,
            counts: number == 2,
        };
        let busy = outcome(attempt(id, number, Outcome::Failed), next);
        assert_eq!(record(&db, holder, busy).await, 1);
        assert_eq!(claim_retries(&db).await, [id]);
        assert_eq!(take(&db, holder, &[id]).await.mine, [id]);
    }
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.failures, job.deferrals), (4, 1, 2));
    assert_eq!(attempts(&db, id).await.unwrap().len(), 3);
}

async fn what_is_held_on_to_stays_its_consumers(db: DatabaseConnection) {
    let (id, holder) = one_taken(&db).await;
    let busy = || {
        outcome(
            attempt(id, 1, Outcome::Failed),
            Transition::Hold { rest: NOW },
        )
    };
    assert_eq!(record(&db, holder, busy()).await, 1);
    assert_eq!(record(&db, holder, busy()).await, 0);
    let (_, other) = consumer(&db).await;
    assert!(take(&db, other, &[id]).await.mine.is_empty());
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.failures, job.deferrals), (2, 0, 1));
    let done = outcome(attempt(id, 2, Outcome::Succeeded), Transition::Processed);
    assert_eq!(record(&db, holder, done).await, 1);
    assert_eq!(attempts(&db, id).await.unwrap().len(), 2);
}

async fn a_record_that_is_repeated_changes_nothing(db: DatabaseConnection) {
    let (id, _) = one_taken(&db).await;
    // In the name of the only process there is, which nothing else fences.
    let failed = || outcome(attempt(id, 1, Outcome::Failed), again(NOW));
    assert_eq!(record(&db, Holder::Sole, failed()).await, 1);
    assert_eq!(record(&db, Holder::Sole, failed()).await, 0);
    assert_eq!(claim_retries(&db).await, [id]);
    assert_eq!(take(&db, Holder::Sole, &[id]).await.mine, [id]);
    assert_eq!(record(&db, Holder::Sole, failed()).await, 0);
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!(job.attempt, 2);
    let done = || outcome(attempt(id, 2, Outcome::Succeeded), Transition::Processed);
    assert_eq!(record(&db, Holder::Sole, done()).await, 1);
    let before = find(&db, "t1").await;
    assert_eq!(record(&db, Holder::Sole, done()).await, 0);
    assert_eq!(find(&db, "t1").await, before);
    assert_eq!(attempts(&db, id).await.unwrap().len(), 2);
}

async fn a_late_record_changes_nothing(db: DatabaseConnection) {
    let received = received(webhook("t1"));
    receive_one(&db, &received).await;
    let id = received.id;
    let (dead_id, dead) = consumer(&db).await;
    take(&db, dead, &[id]).await;
    bury(&db, dead_id).await;
    let (_, heir) = consumer(&db).await;
    assert_eq!(take(&db, heir, &[id]).await.mine, [id]);
    for next in [Transition::Processed, again(NOW)] {
        let late = outcome(attempt(id, 1, Outcome::Failed), next);
        assert_eq!(record(&db, dead, late).await, 0);
    }
    assert_eq!(status(&db, id).await, Some(Status::Processing));
    assert!(attempts(&db, id).await.unwrap().is_empty());
    assert_eq!(finish(&db, heir, &[id]).await, 1);
}

async fn a_suspect_is_taken_only_by_who_asks_for_it(db: DatabaseConnection) {
    let ids = three(&db).await;
    for _ in 0..2 {
        let (id, holder) = consumer(&db).await;
        take(&db, holder, &ids[..1]).await;
        bury(&db, id).await;
        reclaim(&db).await;
        claim_retries(&db).await;
    }
    let (_, holder) = consumer(&db).await;
    let take = async |crashes_max| {
        lifecycle::take(&db, holder, ids.clone(), crashes_max, LATER)
            .await
            .unwrap()
    };
    let taken = take(1).await;
    assert_eq!(taken.mine, &ids[1..]);
    assert_eq!(taken.suspects, [(ids[0], 2)].into());
    assert!(taken.others.is_empty());
    let job = lifecycle::jobs(&db, &ids[..1]).await.unwrap().remove(0);
    assert_eq!(job.attempt, 3);
    assert_eq!(take(2).await.mine, ids);
    // Now it is in a living consumer's hands, and so no suspect to another one.
    let (_, other) = consumer(&db).await;
    let taken = lifecycle::take(&db, other, ids.clone(), 1, LATER)
        .await
        .unwrap();
    assert!(taken.mine.is_empty() && taken.suspects.is_empty());
    assert_eq!(taken.others.len(), 3);
}

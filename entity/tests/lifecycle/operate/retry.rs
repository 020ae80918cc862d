use entity::lifecycle::{
    attempts, failure,
    operate::{Retried, retry},
};

use super::*;

on_both! {
    what_has_failed_is_due_again_and_its_attempts_are_counted_on
    an_attempt_that_a_consumer_died_with_keeps_its_number
    a_retry_of_what_has_not_failed_says_why
    a_retry_of_what_can_be_told_to_nobody_says_so_and_changes_nothing
    of_many_who_want_the_same_one_has_it
    what_fails_again_can_be_reopened_again
    a_reason_is_no_sql
}

async fn what_has_failed_is_due_again_and_its_attempts_are_counted_on(db: DatabaseConnection) {
    let id = one_failed(&db).await;
    assert_eq!(
        retry(&db, id, &by("mended")).await.unwrap(),
        Retried::Reopened
    );
    let row = find(&db, "t1").await.unwrap();
    assert_eq!((row.status, row.processed_at), (Status::Processing, None));
    assert_eq!(failure(&db, id).await.unwrap(), None);
    let [line] = &audited(&db).await[..] else {
        panic!("one line")
    };
    assert_eq!(
        (line.act.as_str(), line.who.as_str(), line.reason.as_str()),
        ("retry", "cli:ops", "mended")
    );
    assert_eq!((line.subject, line.count), (Some(id), 1));
    assert_eq!(line.transaction_id.as_ref().map(AsRef::as_ref), Some("t1"));
    assert_eq!(line.source, Some(SourceName::built_in()));
    let detail = line.detail.as_deref().unwrap();
    for known in ["PERMANENT", "answered 400", "failed_at"] {
        assert!(detail.contains(known), "{detail}");
    }
    // Nobody begins before a relay has found it due: an old message about it means nothing.
    let (_, early) = consumer(&db).await;
    let taken_early = take(&db, early, &[id]).await;
    assert_eq!(
        (taken_early.mine.len(), taken_early.others[&id]),
        (0, Status::Processing)
    );

    let holder = taken(&db, &[id]).await;
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!(
        (job.attempt, job.failures, job.deferrals, job.replay),
        (2, 0, 0, false)
    );
    // Deferrals are counted from here.
    let busy = Record {
        id,
        attempt: attempt(id, 2, Outcome::Failed),
        next: Transition::Retry {
            after: NOW,
            counts: false,
        },
    };
    assert_eq!(record_all(&db, holder, &[busy]).await, 1);
    let holder = taken(&db, &[id]).await;
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.failures, job.deferrals), (3, 0, 1));
    let done = Record {
        attempt: attempt(id, 3, Outcome::Succeeded),
        ..Record::processed(id)
    };
    assert_eq!(record_all(&db, holder, &[done]).await, 1);
    assert_eq!(status(&db, id).await, Some(Status::Processed));
    let numbers: Vec<i32> = attempts(&db, id)
        .await
        .unwrap()
        .iter()
        .map(|a| a.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!((outbox_count(&db).await, retries(&db).await.len()), (0, 0));
}

async fn an_attempt_that_a_consumer_died_with_keeps_its_number(db: DatabaseConnection) {
    let received = received(webhook("t1"));
    receive_one(&db, &received).await;
    let id = received.id;
    // It dies with the first attempt, and another with the second.
    for _ in 0..2 {
        let (dead, holder) = consumer(&db).await;
        take(&db, holder, &[id]).await;
        bury(&db, dead).await;
        reclaim(&db).await;
        claim_retries(&db).await;
    }
    let (_, holder) = consumer(&db).await;
    assert_eq!(take(&db, holder, &[id]).await.mine, [id]);
    // Given up without an attempt, as a poisonous one is.
    let poison = Record {
        attempt: None,
        ..failed(id, 0, "2 consumers died")
    };
    assert_eq!(record_all(&db, holder, &[poison]).await, 1);
    assert_eq!(failure(&db, id).await.unwrap().unwrap().attempts, 2);
    assert_eq!(retry(&db, id, &by("x")).await.unwrap(), Retried::Reopened);
    taken(&db, &[id]).await;
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.failures, job.deferrals), (3, 0, 0));
}

async fn a_retry_of_what_has_not_failed_says_why(db: DatabaseConnection) {
    let ids = three(&db).await;
    finish(&db, Holder::Sole, &ids[1..2]).await;
    let retry = async |id| retry(&db, id, &by("x")).await.unwrap();
    assert_eq!(retry(ids[0]).await, Retried::Not(Status::Processing));
    assert_eq!(retry(ids[1]).await, Retried::Not(Status::Processed));
    assert_eq!(retry(Uuid::now_v7()).await, Retried::Unknown);
    assert!(audited(&db).await.is_empty());
    assert_eq!((outbox_count(&db).await, retries(&db).await.len()), (2, 0));
}

async fn a_retry_of_what_can_be_told_to_nobody_says_so_and_changes_nothing(db: DatabaseConnection) {
    let events = ["e1", "e2"].map(|id| (event("stripe", id, |_| ()), "answered 400"));
    let ids = all_failed(&db, events).await;
    execute(
        &db,
        &format!("DELETE FROM payloads WHERE id = {}", literal(&db, ids[0])),
    )
    .await;
    execute(
        &db,
        &format!("DELETE FROM payloads WHERE id = {}", literal(&db, ids[1])),
    )
    .await;
    execute(
        &db,
        &format!(
            "DELETE FROM transactions WHERE id = {}",
            literal(&db, ids[1])
        ),
    )
    .await;
    for id in &ids {
        assert_eq!(
            retry(&db, *id, &by("x")).await.unwrap(),
            Retried::ContentGone
        );
        assert!(failure(&db, *id).await.unwrap().is_some());
    }
    assert_eq!(status(&db, ids[0]).await, Some(Status::Failed));
    assert!(audited(&db).await.is_empty() && retries(&db).await.is_empty());
}

async fn of_many_who_want_the_same_one_has_it(db: DatabaseConnection) {
    let id = one_failed(&db).await;
    let reason = by("x");
    let all = futures::future::join_all((0..8).map(|_| retry(&db, id, &reason))).await;
    let all: Vec<Retried> = all.into_iter().map(Result::unwrap).collect();
    let reopened = all.iter().filter(|one| **one == Retried::Reopened).count();
    assert_eq!(reopened, 1, "{all:?}");
    assert!(
        all.iter()
            .all(|one| matches!(one, Retried::Reopened | Retried::Not(Status::Processing)))
    );
    assert_eq!(acts(&db).await, ["retry"]);
    assert_eq!(retries(&db).await.len(), 1);
}

async fn what_fails_again_can_be_reopened_again(db: DatabaseConnection) {
    let id = one_failed(&db).await;
    for number in 2..=4 {
        assert_eq!(retry(&db, id, &by("x")).await.unwrap(), Retried::Reopened);
        let holder = taken(&db, &[id]).await;
        assert_eq!(
            record_all(&db, holder, &[failed(id, number, "again")]).await,
            1
        );
        let failure = failure(&db, id).await.unwrap().unwrap();
        assert_eq!(
            (failure.attempts, failure.reason.as_str()),
            (number as i32, "again")
        );
    }
    assert_eq!(attempts(&db, id).await.unwrap().len(), 4);
}

async fn a_reason_is_no_sql(db: DatabaseConnection) {
    let id = one_failed(&db).await;
    let reason = r#"'; DROP TABLE audit; -- \' $1 E'\x' "ü" ?"#;
    assert_eq!(
        retry(&db, id, &by(reason)).await.unwrap(),
        Retried::Reopened
    );
    assert_eq!(audited(&db).await[0].reason, reason);
}

use entity::lifecycle::{
    failure,
    operate::{GivenUp, Retried, give_up, retry},
};

use super::*;

on_both! {
    what_waits_for_its_next_attempt_is_given_up_and_can_be_retried
    what_a_living_consumer_holds_is_not_given_up
    what_is_final_or_unknown_is_not_given_up
}

async fn what_waits_for_its_next_attempt_is_given_up_and_can_be_retried(db: DatabaseConnection) {
    let received = received(webhook("t1"));
    receive_one(&db, &received).await;
    let id = received.id;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &[id]).await;
    let later = Record {
        id,
        attempt: attempt(id, 1, Outcome::Failed),
        next: Transition::Retry {
            after: LATER,
            counts: true,
        },
    };
    record_all(&db, holder, &[later]).await;
    let given_up = give_up(&db, id, &by("refunded by hand")).await.unwrap();
    assert_eq!(given_up, GivenUp::Failed);
    assert_eq!(status(&db, id).await, Some(Status::Failed));
    assert!(retries(&db).await.is_empty());
    let known = failure(&db, id).await.unwrap().unwrap();
    assert_eq!(
        (known.verdict, known.reason.as_str(), known.attempts),
        (Verdict::GivenUp, "refunded by hand", 1)
    );
    assert_eq!(
        retry(&db, id, &by("after all")).await.unwrap(),
        Retried::Reopened
    );
    assert_eq!(acts(&db).await, ["give_up", "retry"]);
    taken(&db, &[id]).await;
    assert_eq!(lifecycle::jobs(&db, &[id]).await.unwrap()[0].attempt, 2);
}

async fn what_a_living_consumer_holds_is_not_given_up(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (living, holder) = consumer(&db).await;
    take(&db, holder, &ids[..2]).await;
    assert_eq!(
        give_up(&db, ids[0], &by("x")).await.unwrap(),
        GivenUp::InHand
    );
    assert_eq!(status(&db, ids[0]).await, Some(Status::Processing));
    assert!(audited(&db).await.is_empty());
    // Where holders are known: what is nobody's, and what the dead hold, which counts as an attempt.
    if db.get_database_backend() == DbBackend::Postgres {
        assert_eq!(
            give_up(&db, ids[2], &by("x")).await.unwrap(),
            GivenUp::Failed
        );
        bury(&db, living).await;
        assert_eq!(
            give_up(&db, ids[0], &by("x")).await.unwrap(),
            GivenUp::Failed
        );
        assert_eq!(failure(&db, ids[0]).await.unwrap().unwrap().attempts, 1);
        assert_eq!(outbox_count(&db).await, 1);
        // Its late answer changes nothing.
        assert_eq!(finish(&db, holder, &ids[..1]).await, 0);
        assert_eq!(status(&db, ids[0]).await, Some(Status::Failed));
    } else {
        assert_eq!(
            give_up(&db, ids[2], &by("x")).await.unwrap(),
            GivenUp::InHand
        );
    }
}

async fn what_is_final_or_unknown_is_not_given_up(db: DatabaseConnection) {
    let id = one_failed(&db).await;
    assert_eq!(
        give_up(&db, id, &by("x")).await.unwrap(),
        GivenUp::Not(Status::Failed)
    );
    assert_eq!(
        give_up(&db, Uuid::now_v7(), &by("x")).await.unwrap(),
        GivenUp::Unknown
    );
    assert!(audited(&db).await.is_empty());
    assert_eq!(
        failure(&db, id).await.unwrap().unwrap().verdict,
        Verdict::Permanent
    );
}

use entity::lifecycle::{
    attempts,
    operate::{GivenUp, Replayed, Retried, give_up, replay, retry},
};

use super::*;

on_both! {
    a_replay_is_a_job_that_leaves_the_transaction_as_it_is
    a_replay_is_carried_wherever_it_goes
    a_replay_that_fails_leaves_the_transaction_processed
    only_what_is_processed_and_stored_is_replayed
    of_many_who_want_the_same_replay_one_has_it
    a_replay_can_be_given_up
    simulated_work_ends_a_replay_too
}

async fn a_replay_is_a_job_that_leaves_the_transaction_as_it_is(db: DatabaseConnection) {
    let id = one_processed(&db).await;
    let before = find(&db, "t1").await.unwrap();
    let reason = r#"lost on their side; '; DROP TABLE audit; -- \"#;
    assert_eq!(
        replay(&db, id, &by(reason)).await.unwrap(),
        Replayed::Queued
    );
    assert_eq!(
        replay(&db, id, &by("again")).await.unwrap(),
        Replayed::Already
    );
    let holder = taken(&db, &[id]).await;
    assert_eq!(
        replay(&db, id, &by("again")).await.unwrap(),
        Replayed::Already
    );
    let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
    assert_eq!(
        (job.attempt, job.failures, job.deferrals, job.replay),
        (2, 0, 0, true)
    );
    let done = Record {
        attempt: attempt(id, 2, Outcome::Succeeded),
        ..Record::processed(id)
    };
    assert_eq!(record_all(&db, holder, &[done]).await, 1);
    assert_eq!(find(&db, "t1").await.unwrap(), before);
    assert_eq!(attempts(&db, id).await.unwrap().len(), 2);
    assert_eq!((outbox_count(&db).await, retries(&db).await.len()), (0, 0));
    let [line] = &audited(&db).await[..] else {
        panic!("one line")
    };
    assert_eq!(
        (line.act.as_str(), line.reason.as_str()),
        ("replay", reason)
    );
    // It is over, so there may be another one.
    assert_eq!(
        replay(&db, id, &by("once more")).await.unwrap(),
        Replayed::Queued
    );
}

async fn a_replay_is_carried_wherever_it_goes(db: DatabaseConnection) {
    let id = one_processed(&db).await;
    replay(&db, id, &by("x")).await.unwrap();
    let is_replay = async |attempt| {
        let job = lifecycle::jobs(&db, &[id]).await.unwrap().remove(0);
        assert_eq!((job.attempt, job.deferrals, job.replay), (attempt, 0, true));
    };
    // Released, come back, reclaimed, tried again, parked.
    let holder = taken(&db, &[id]).await;
    is_replay(2).await;
    assert_eq!(
        lifecycle::release(&db, holder, &[id], NOW).await.unwrap(),
        1
    );
    let (dead, holder) = consumer(&db).await;
    assert_eq!(take(&db, holder, &[id]).await.mine, [id]);
    is_replay(2).await;
    bury(&db, dead).await;
    assert_eq!(reclaim(&db).await, [id]);
    let holder = taken(&db, &[id]).await;
    is_replay(3).await;
    let again = Record {
        id,
        attempt: attempt(id, 3, Outcome::Failed),
        next: Transition::Retry {
            after: NOW,
            counts: true,
        },
    };
    assert_eq!(record_all(&db, holder, &[again]).await, 1);
    let holder = taken(&db, &[id]).await;
    is_replay(4).await;
    let source = SourceName::built_in();
    assert_eq!(
        lifecycle::park(&db, holder, &[(id, source)]).await.unwrap(),
        1
    );
    assert_eq!(lifecycle::operate::pause::unpark(&db).await.unwrap(), 1);
    let holder = taken(&db, &[id]).await;
    is_replay(4).await;
    lifecycle::release(&db, holder, &[id], LATER).await.unwrap();
    due::come_back(&db, &[id], NOW).await.unwrap();
    taken(&db, &[id]).await;
    is_replay(4).await;
    assert_eq!(status(&db, id).await, Some(Status::Processed));
}

async fn a_replay_that_fails_leaves_the_transaction_processed(db: DatabaseConnection) {
    let id = one_processed(&db).await;
    let before = find(&db, "t1").await.unwrap();
    let verdict = Verdict::Permanent;
    let ended = |number| Record {
        id,
        attempt: attempt(id, number, Outcome::Refused),
        next: Transition::ReplayFailed {
            verdict,
            reason: "no".into(),
        },
    };
    // Who knows that it is a replay is told that its end is recorded, and who does not, that it is not.
    for (number, told) in [(2, 1), (3, 0)] {
        replay(&db, id, &by("x")).await.unwrap();
        let holder = taken(&db, &[id]).await;
        let record = match told {
            1 => ended(number),
            _ => failed(id, number, "no"),
        };
        assert_eq!(record_all(&db, holder, &[record]).await, told);
        assert_eq!(find(&db, "t1").await.unwrap(), before);
        assert_eq!(lifecycle::failure(&db, id).await.unwrap(), None);
        assert_eq!((outbox_count(&db).await, retries(&db).await.len()), (0, 0));
        assert_eq!(attempts(&db, id).await.unwrap().len(), number as usize);
    }
    // What is no replay does not end as one.
    let other = received(webhook("t2"));
    receive_one(&db, &other).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &[other.id]).await;
    let record = Record {
        id: other.id,
        ..ended(1)
    };
    let record = Record {
        attempt: None,
        ..record
    };
    assert_eq!(record_all(&db, holder, &[record]).await, 0);
    assert_eq!(outbox_count(&db).await, 1);
}

async fn only_what_is_processed_and_stored_is_replayed(db: DatabaseConnection) {
    let failed = one_failed(&db).await;
    let unfinished = received(webhook("t2"));
    receive_one(&db, &unfinished).await;
    let gone = received(event("stripe", "e1", |_| ()));
    receive_one(&db, &gone).await;
    finish(&db, Holder::Sole, &[gone.id]).await;
    execute(&db, "DELETE FROM payloads").await;
    let replay = async |id| replay(&db, id, &by("x")).await.unwrap();
    assert_eq!(replay(failed).await, Replayed::Not(Status::Failed));
    assert_eq!(
        replay(unfinished.id).await,
        Replayed::Not(Status::Processing)
    );
    assert_eq!(replay(gone.id).await, Replayed::ContentGone);
    assert_eq!(replay(Uuid::now_v7()).await, Replayed::Unknown);
    assert!(audited(&db).await.is_empty() && retries(&db).await.is_empty());
    assert_eq!(
        retry(&db, gone.id, &by("x")).await.unwrap(),
        Retried::Not(Status::Processed)
    );
}

async fn of_many_who_want_the_same_replay_one_has_it(db: DatabaseConnection) {
    let id = one_processed(&db).await;
    let reason = by("x");
    let all = futures::future::join_all((0..8).map(|_| replay(&db, id, &reason))).await;
    let queued = all
        .into_iter()
        .filter(|one| *one.as_ref().unwrap() == Replayed::Queued);
    assert_eq!(queued.count(), 1);
    assert_eq!((acts(&db).await.len(), retries(&db).await.len()), (1, 1));
}

async fn a_replay_can_be_given_up(db: DatabaseConnection) {
    let id = one_processed(&db).await;
    let before = find(&db, "t1").await.unwrap();
    replay(&db, id, &by("x")).await.unwrap();
    assert_eq!(
        give_up(&db, id, &by("y")).await.unwrap(),
        GivenUp::ReplayEnded
    );
    assert_eq!(find(&db, "t1").await.unwrap(), before);
    assert!(retries(&db).await.is_empty());
    assert_eq!(lifecycle::failure(&db, id).await.unwrap(), None);
    assert_eq!(
        give_up(&db, id, &by("y")).await.unwrap(),
        GivenUp::Not(Status::Processed)
    );
    assert_eq!(acts(&db).await, ["replay", "give_up"]);
}

async fn simulated_work_ends_a_replay_too(db: DatabaseConnection) {
    let ids = three(&db).await;
    finish(&db, Holder::Sole, &ids).await;
    let before = find(&db, "t1").await.unwrap();
    replay(&db, ids[0], &by("x")).await.unwrap();
    let holder = taken(&db, &ids[..1]).await;
    // Nothing became `PROCESSED` by it.
    assert_eq!(finish(&db, holder, &ids[..1]).await, 0);
    assert_eq!(find(&db, "t1").await.unwrap(), before);
    assert_eq!((outbox_count(&db).await, retries(&db).await.len()), (0, 0));
}

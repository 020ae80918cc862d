//! What operators ask for, as a consumer meets it.

use entity::lifecycle::operate::{
    By, Replayed,
    pause::{pause, resume, unpark},
    replay,
};
use queue::Settlement;

use super::*;
use crate::fixtures::received_event;

fn by() -> By {
    By {
        who: "ops".parse().unwrap(),
        reason: "a test".parse().unwrap(),
    }
}

/// It may be the message of what an operator has asked for since the commit.
#[tokio::test]
async fn what_has_joined_a_run_that_is_final_goes_back() {
    let reason = || "no".to_owned();
    let verdict = Verdict::Permanent;
    for (next, first) in [
        (Transition::Processed, Settlement::Ack),
        (
            Transition::Failed {
                verdict,
                reason: reason(),
            },
            Settlement::DeadLetter,
        ),
        (
            Transition::ReplayFailed {
                verdict,
                reason: reason(),
            },
            Settlement::Ack,
        ),
    ] {
        let mut scene = Scene::alone(FOR_EVER).await;
        let ids = scene.publish(1).await;
        scene.until(|scene| scene.consumer.working.len() == 1).await;
        scene.publisher.publish(&ids).await.unwrap();
        while scene.depth().await.ready > 0 {
            scene.step().await.unwrap();
        }
        let record = Record {
            next,
            ..Record::processed(ids[0])
        };
        let recorded = Recorded::All(vec![record]);
        let settled = scene.consumer.settle_recorded(recorded);
        let settled: Vec<Settlement> = settled.into_iter().map(|(_, how)| how).collect();
        assert_eq!(settled, [first, Settlement::Requeue]);
    }
}

#[tokio::test]
async fn a_replay_of_simulated_work_leaves_its_transaction_and_no_dead_letter() {
    let mut scene = Scene::alone(AT_ONCE).await;
    let ids = scene.publish(1).await;
    scene.until_quiet().await;
    let replayed = replay(&scene.db, ids[0], &by()).await.unwrap();
    assert_eq!(replayed, Replayed::Queued);
    scene.execute("UPDATE retries SET waits = false").await;
    scene.publisher.publish(&ids).await.unwrap();
    scene.until_quiet().await;
    assert_eq!(scene.status(ids[0]).await, Status::Processed);
    assert_eq!(scene.depth().await, Depth::default());
    let place = lifecycle::place::place(&scene.db, ids[0]).await.unwrap();
    assert_eq!(place, None);
}

#[tokio::test]
async fn while_everything_is_paused_nothing_is_taken() {
    let mut scene = Scene::alone(AT_ONCE).await;
    pause(&scene.db, None, None, &by()).await.unwrap();
    let ids = scene.publish(3).await;
    let is_paused = |scene: &Scene| scene.consumer.pauses.as_ref().is_some_and(|it| it.all);
    scene.until(is_paused).await;
    scene.until_idle().await;
    // Each of these is a look, or its answer.
    for _ in 0..4 {
        scene.step().await.unwrap();
        assert_eq!(scene.consumer.in_flight.len(), 0);
    }
    assert_eq!(scene.depth().await.ready, 3);
    resume(&scene.db, None, &by()).await.unwrap();
    scene.until_quiet().await;
    for id in ids {
        assert_eq!(scene.status(id).await, Status::Processed);
    }
}

/// Waits in the database, and not for a time.
async fn is_parked(scene: &Scene, id: Uuid) -> bool {
    let place = lifecycle::place::place(&scene.db, id).await.unwrap();
    place.is_some_and(|place| place.parked && place.in_retries)
}

#[tokio::test]
async fn what_is_taken_of_a_paused_source_is_put_aside_and_others_go_on() {
    let mut scene = Scene::with_others(AT_ONCE).await;
    let stripe = "stripe".parse().unwrap();
    pause(&scene.db, Some(&stripe), None, &by()).await.unwrap();
    scene
        .until(|scene| scene.consumer.has_paused_sources())
        .await;
    let batch = vec![received_event(b"{}".to_vec()), received()];
    let ids = scene.publish_these(batch).await;
    scene.until_quiet().await;
    assert!(is_parked(&scene, ids[0]).await);
    assert_eq!(scene.status(ids[0]).await, Status::Processing);
    assert_eq!(scene.status(ids[1]).await, Status::Processed);
    // A message that is left over means nothing.
    scene.publisher.publish(&ids[..1]).await.unwrap();
    scene.until_quiet().await;
    assert!(is_parked(&scene, ids[0]).await);

    resume(&scene.db, Some(&stripe), &by()).await.unwrap();
    assert_eq!(unpark(&scene.db).await.unwrap(), 1);
    scene
        .until(|scene| !scene.consumer.has_paused_sources())
        .await;
    scene.until_idle().await;
    scene.execute("UPDATE retries SET waits = false").await;
    scene.publisher.publish(&ids[..1]).await.unwrap();
    scene.until_quiet().await;
    assert_eq!(scene.status(ids[0]).await, Status::Processed);
}

#[tokio::test]
async fn what_has_not_begun_when_its_source_is_paused_is_put_aside() {
    let (_port, work) = unreachable();
    let mut scene = Scene::alone(work).await;
    let batch = vec![received_event(b"{}".to_vec()), received()];
    let ids = scene.publish_these(batch).await;
    scene.until(|scene| scene.consumer.jobs.len() == 2).await;
    let pauses = Pauses {
        all: false,
        sources: ["stripe".parse().unwrap()].into(),
    };
    scene.consumer.hear_pauses(pauses);
    assert_eq!(scene.consumer.jobs.len(), 1);
    scene.until_idle().await;
    assert!(is_parked(&scene, ids[0]).await);
    assert!(!is_parked(&scene, ids[1]).await);
}

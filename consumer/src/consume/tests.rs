//! A consumer, step by step, on SQLite and the queue inside the process.

mod bodies;
mod operators;
mod scene;

use std::net::SocketAddr;

use entity::{
    Outcome, Verdict,
    lifecycle::{self, Attempt, Range, Received, Transition, lease},
};
use queue::Depth;
use sea_orm::EntityTrait as _;
use time::OffsetDateTime;
use tokio::net::TcpSocket;

use self::scene::{LATER, Scene};
use super::{run::Step, *};
use crate::{
    Work,
    circuit::Appetite,
    fixtures::received,
    suspects::CRASHES_MAX,
    work::{
        http::{self, Called, Downstream},
        signal::Signal,
    },
};

const AT_ONCE: Work = Work::Simulate {
    delay: Duration::ZERO,
};
const FOR_EVER: Work = Work::Simulate {
    delay: Duration::from_secs(3600),
};

/// A service that nobody can reach: its port is bound, and nobody listens there.
fn unreachable() -> (TcpSocket, Work) {
    let port = TcpSocket::new_v4().unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let work = call(port.local_addr().unwrap());
    (port, work)
}

fn call(address: SocketAddr) -> Work {
    let downstream = Downstream::new(http::Settings {
        url: format!("http://{address}/"),
        secret: None,
        timeout: Duration::from_secs(5),
    });
    Work::Http(downstream.unwrap())
}

#[tokio::test]
async fn a_message_is_acked_only_when_its_outcome_is_committed() {
    let mut scene = Scene::alone(AT_ONCE).await;
    let ids = scene.publish(3).await;
    scene
        .until(|scene| scene.consumer.in_flight.len() == 3)
        .await;
    while scene.consumer.in_flight.len() > 0 {
        scene.step().await.unwrap();
        let recorded = scene.consumer.recording.is_empty() && scene.consumer.records.is_empty();
        let acked = scene.consumer.in_flight.len() == 0;
        assert!(recorded || !acked, "acked, and not recorded");
    }
    for id in ids {
        assert_eq!(scene.status(id).await, Status::Processed);
    }
    assert_eq!(scene.depth().await, Depth::default());
}

#[tokio::test]
async fn a_redelivery_waits_for_the_outcome_of_the_run_under_way() {
    let mut scene = Scene::alone(FOR_EVER).await;
    let [id] = scene.publish(1).await[..] else {
        panic!("one id")
    };
    scene.until(|scene| scene.consumer.working.len() == 1).await;
    scene.publisher.publish(&[id]).await.unwrap();
    while scene.depth().await.ready > 0 {
        scene.step().await.unwrap();
    }
    scene.until(|scene| scene.consumer.taking.is_empty()).await;
    assert_eq!(scene.consumer.working.len(), 1, "one run");
    assert_eq!(scene.consumer.in_flight.len(), 1, "one id");
    // The run ends, and both messages are settled with it.
    scene.consumer.working.clear();
    scene.consumer.records.push(Record::processed(id));
    scene.until_quiet().await;
    assert_eq!(scene.status(id).await, Status::Processed);
}

#[tokio::test]
async fn a_message_that_comes_too_late_or_names_no_row_starts_no_work() {
    let mut scene = Scene::alone(AT_ONCE).await;
    let ids = scene.publish(1).await;
    scene.until_quiet().await;
    scene.consumer.settings.work = FOR_EVER;
    scene
        .publisher
        .publish(&[ids[0], Uuid::now_v7()])
        .await
        .unwrap();
    scene.until_quiet().await;
    assert_eq!(scene.depth().await.dead, 1, "only the unknown one");
    assert!(scene.consumer.working.is_empty());
}

/// Another consumer finds this one dead, and frees what it has.
async fn bury(scene: &Scene) {
    let renewals = lease::renewals(&scene.db).await.unwrap();
    let (consumer, renewal) = renewals.into_iter().next().unwrap();
    assert!(lease::bury(&scene.db, consumer, renewal).await.unwrap());
    let everything = Range {
        from: Uuid::nil(),
        to: Uuid::max(),
    };
    lease::reclaim(&scene.db, &[consumer], everything, 100)
        .await
        .unwrap();
}

#[tokio::test]
async fn who_loses_its_lease_hands_everything_back() {
    let mut scene = Scene::with_others(FOR_EVER).await;
    let ids = scene.publish(2).await;
    scene
        .until(|scene| !scene.consumer.working.is_empty())
        .await;
    bury(&scene).await;
    scene
        .until(|scene| scene.consumer.in_flight.len() == 0)
        .await;
    assert_eq!(scene.depth().await.ready, ids.len());
    assert!(scene.consumer.working.is_empty());
}

#[tokio::test]
async fn who_was_found_dead_records_nothing() {
    let mut scene = Scene::with_others(AT_ONCE).await;
    let ids = scene.publish(2).await;
    scene
        .until(|scene| !scene.consumer.records.is_empty())
        .await;
    bury(&scene).await;
    scene
        .until(|scene| scene.consumer.in_flight.len() == 0)
        .await;
    for id in ids {
        assert_eq!(scene.status(id).await, Status::Processing);
    }
}

#[tokio::test]
async fn what_so_many_consumers_have_died_with_is_given_up() {
    let mut scene = Scene::with_others(FOR_EVER).await;
    let received = received();
    let id = received.id;
    lifecycle::receive(&scene.db, &[received], LATER)
        .await
        .unwrap();
    scene.deaths(id, CRASHES_MAX).await;
    scene.publisher.publish(&[id]).await.unwrap();
    scene.until_quiet().await;
    assert_eq!(scene.status(id).await, Status::Failed);
    let failure = lifecycle::failure(&scene.db, id).await.unwrap().unwrap();
    assert_eq!(failure.verdict, Verdict::Poison);
    assert_eq!(scene.depth().await.dead, 1);
}

#[tokio::test]
async fn suspects_are_worked_on_in_small_groups_beside_everything_else() {
    let mut scene = Scene::with_others(FOR_EVER).await;
    let received: Vec<Received> = (0..20).map(|_| received()).collect();
    lifecycle::receive(&scene.db, &received, LATER)
        .await
        .unwrap();
    let ids: Vec<Uuid> = received.iter().map(|received| received.id).collect();
    for id in &ids {
        // One part in 8 of 1,000, three times over: one at a time.
        scene.deaths(*id, 8).await;
    }
    scene.publisher.publish(&ids).await.unwrap();
    let well = scene.publish(5).await;
    let at_work = |scene: &Scene| {
        let working = scene.consumer.working.iter();
        working
            .map(|running| match running {
                Running::Simulated(ids, _) => ids.len(),
                _ => 0,
            })
            .sum::<usize>()
    };
    scene.until(|scene| at_work(scene) > well.len()).await;
    scene.until(|scene| scene.consumer.taking.is_empty()).await;
    assert_eq!(at_work(&scene), well.len() + 1);
    assert_eq!(scene.consumer.in_flight.len(), 25);
}

#[tokio::test]
async fn while_downstream_is_away_others_get_the_messages_and_a_probe_is_a_few() {
    let (_port, work) = unreachable();
    let mut scene = Scene::alone(work).await;
    scene.publish(20).await;
    scene
        .until(|scene| scene.consumer.circuit.appetite() == Appetite::Nothing)
        .await;
    // What it has goes back, in the database first.
    scene
        .until(|scene| scene.consumer.in_flight.len() == 0)
        .await;
    scene.publish(100).await;
    scene
        .until(|scene| scene.consumer.in_flight.len() > 0)
        .await;
    assert!(matches!(
        scene.consumer.circuit.appetite(),
        Appetite::Probes(_)
    ));
    assert!(scene.consumer.in_flight.len() <= 5, "more than it may call");
    assert!(scene.depth().await.ready >= 95, "the others' messages");
}

#[tokio::test]
async fn what_has_been_taken_and_not_begun_goes_back_when_the_circuit_opens() {
    let (_port, work) = unreachable();
    let mut scene = Scene::alone(work).await;
    let ids = scene.publish(50).await;
    scene.until(|scene| !scene.consumer.jobs.is_empty()).await;
    while scene.consumer.circuit.appetite() != Appetite::Nothing {
        let called = no_connection();
        scene.consumer.circuit.ended(&called, true, Instant::now());
    }
    scene
        .until(|scene| scene.consumer.in_flight.len() == 0)
        .await;
    assert_eq!(scene.depth().await.ready, ids.len());
    // Whoever gets the messages now may take them.
    let released = entity::retry::Entity::find().all(&scene.db).await;
    assert_eq!(released.unwrap().len(), ids.len());
    let taken = lifecycle::take(&scene.db, Holder::Sole, ids.clone(), 0, LATER);
    assert_eq!(taken.await.unwrap().mine, ids);
    let attempts = entity::attempt::Entity::find().all(&scene.db).await;
    assert!(attempts.unwrap().is_empty());
}

fn no_connection() -> Called {
    Called {
        attempt: Attempt {
            id: Uuid::now_v7(),
            number: 1,
            started_at: OffsetDateTime::now_utc(),
            took: Duration::ZERO,
            outcome: Outcome::Failed,
            status: None,
            error: None,
            retry_after: None,
        },
        signal: Signal::Unreachable,
    }
}

#[tokio::test]
async fn nothing_is_acked_while_the_database_is_away() {
    let mut scene = Scene::alone(AT_ONCE).await;
    let ids = scene.publish(2).await;
    scene
        .until(|scene| !scene.consumer.records.is_empty())
        .await;
    scene
        .execute("ALTER TABLE outbox RENAME TO elsewhere")
        .await;
    scene
        .until(|scene| !scene.consumer.recording.is_empty())
        .await;
    let later = Instant::now() + Duration::from_millis(300);
    while Instant::now() < later {
        scene.step().await.unwrap();
        assert_eq!(scene.consumer.in_flight.len(), 2);
    }
    scene
        .execute("ALTER TABLE elsewhere RENAME TO outbox")
        .await;
    scene.until_quiet().await;
    for id in ids {
        assert_eq!(scene.status(id).await, Status::Processed);
    }
}

#[tokio::test]
async fn a_stop_leaves_what_is_simulated_and_finishes_what_is_done() {
    let mut scene = Scene::alone(AT_ONCE).await;
    let done = scene.publish(2).await;
    scene
        .until(|scene| !scene.consumer.records.is_empty())
        .await;
    scene.consumer.settings.work = FOR_EVER;
    let begun = scene.publish(3).await;
    scene
        .until(|scene| !scene.consumer.working.is_empty())
        .await;
    scene.stop.cancel();
    while scene.step().await.unwrap() == Step::Handled {}
    let drain = scene.consumer.drain(&mut scene.deliveries);
    let left = tokio::time::timeout(Duration::from_secs(3), drain).await;
    let left = left.expect("nobody is waited for").unwrap();
    assert_eq!(left, begun.len());
    for id in done {
        assert_eq!(scene.status(id).await, Status::Processed);
    }
    for id in begun {
        assert_eq!(scene.status(id).await, Status::Processing);
    }
}

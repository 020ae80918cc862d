use std::time::Duration;

use entity::{
    Outcome, Verdict,
    lifecycle::{
        self, Attempt, Holder, Record, Transition,
        operate::{By, Retried, retry},
    },
};
use poem::{Body, http::Method};
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::scene::{
    database, entry, execute,
    service::{OK, Service, request},
};

/// Older than what is told.
const AGE: Duration = Duration::from_secs(60);

/// What is retried is due.
const MOVED: &str = "INSERT INTO outbox (id, due_at, attempts, earlier) SELECT id, due_at, attempts, earlier FROM retries; \
                     DELETE FROM retries";

fn by() -> By {
    By {
        who: "anna".parse().unwrap(),
        reason: "the service is back".parse().unwrap(),
    }
}

/// Begins a minute ago.
async fn follower(db: &DatabaseConnection) -> Follower {
    let mut cursor = Follower::from_now(db).await.unwrap().cursor();
    let ago = (2 * AGE.as_millis()) << 80;
    cursor.accepted = Uuid::from_u128(cursor.accepted.as_u128() - ago);
    cursor.unfinished = cursor.accepted;
    cursor.acts = cursor.accepted;
    cursor.failed -= 2 * AGE.as_millis() as i64;
    Follower::from(cursor)
}

fn told(look: &Look) -> Vec<(Kind, Option<&str>)> {
    let events = look.events.iter();
    events
        .map(|event| (event.event, event.transaction_id.as_deref()))
        .collect()
}

async fn finish(db: &DatabaseConnection, id: Uuid) {
    let record = [Record::processed(id)];
    lifecycle::record(db, Holder::Sole, &record).await.unwrap();
}

/// At this attempt.
async fn fail(db: &DatabaseConnection, id: Uuid, number: u32) {
    let attempt = Attempt {
        id,
        number,
        started_at: OffsetDateTime::now_utc(),
        took: Duration::ZERO,
        outcome: Outcome::Refused,
        status: Some(422),
        error: None,
        retry_after: None,
    };
    let record = [Record {
        id,
        attempt: Some(Box::new(attempt)),
        next: Transition::Failed {
            verdict: Verdict::Permanent,
            reason: "no such account".into(),
        },
    }];
    lifecycle::record(db, Holder::Sole, &record).await.unwrap();
}

#[tokio::test]
async fn each_transaction_is_told_when_it_is_accepted_and_when_it_is_finished() {
    let db = database().await;
    let mut follower = follower(&db).await;
    let ids = [entry(&db, AGE, AGE).await, entry(&db, AGE / 2, AGE).await];
    let [first, second] = ids.map(|id| id.to_string());
    let look = follower.look(&db).await.unwrap();
    let accepted = [
        (Kind::Accepted, Some(first.as_str())),
        (Kind::Accepted, Some(second.as_str())),
    ];
    assert_eq!(told(&look), accepted);
    assert!(told(&follower.look(&db).await.unwrap()).is_empty());
    finish(&db, ids[0]).await;
    let look = follower.look(&db).await.unwrap();
    assert_eq!(told(&look), [(Kind::Finished, Some(first.as_str()))]);
    assert!(told(&follower.look(&db).await.unwrap()).is_empty());
}

#[tokio::test]
async fn who_goes_on_is_told_what_finished_meanwhile() {
    let db = database().await;
    let mut before = follower(&db).await;
    let ids = [entry(&db, AGE, AGE).await, entry(&db, AGE / 2, AGE).await];
    before.look(&db).await.unwrap();
    let told_up_to = Cursor {
        accepted: Uuid::from_u128(ids[1].as_u128() + 1),
        ..before.cursor()
    };
    let cursor = told_up_to.encode();
    finish(&db, ids[1]).await;
    let third = entry(&db, AGE / 4, AGE).await.to_string();
    let mut after = Follower::from(Cursor::decode(&cursor).unwrap());
    let look = after.look(&db).await.unwrap();
    let second = ids[1].to_string();
    let expected = [
        (Kind::Accepted, Some(third.as_str())),
        (Kind::Finished, Some(second.as_str())),
    ];
    assert_eq!(told(&look), expected);
    // And what had been unfinished is awaited still.
    finish(&db, ids[0]).await;
    let look = after.look(&db).await.unwrap();
    assert_eq!(
        told(&look),
        [(Kind::Finished, Some(ids[0].to_string().as_str()))]
    );
}

#[tokio::test]
async fn what_fails_is_told_once_with_its_reason_however_old_it_is() {
    let db = database().await;
    let id = entry(&db, 4 * AGE, AGE).await;
    let mut follower = follower(&db).await;
    fail(&db, id, 1).await;
    // Not before everything of its time has been committed.
    assert!(told(&follower.look(&db).await.unwrap()).is_empty());
    let event = loop {
        let look = follower.look(&db).await.unwrap();
        if let Some(event) = look.events.first() {
            break event.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(event.event, Kind::Failed);
    assert_eq!(event.verdict.as_deref(), Some("PERMANENT"));
    assert_eq!(event.reason.as_deref(), Some("no such account"));
    assert_eq!(event.transaction_id, Some(id.to_string()));
    assert!(told(&follower.look(&db).await.unwrap()).is_empty());
}

#[tokio::test]
async fn the_end_of_what_an_operator_retries_is_told_however_old_it_is() {
    let db = database().await;
    let id = entry(&db, 4 * AGE, AGE).await;
    fail(&db, id, 1).await;
    let mut follower = follower(&db).await;
    assert_eq!(retry(&db, id, &by()).await.unwrap(), Retried::Reopened);
    let until = async |follower: &mut Follower, kind| {
        loop {
            let look = follower.look(&db).await.unwrap();
            if let Some(event) = look.events.iter().find(|event| event.event == kind) {
                return event.clone();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let act = until(&mut follower, Kind::Operator).await;
    assert_eq!((act.act.as_deref(), act.count), (Some("retry"), Some(1)));
    execute(&db, MOVED).await;
    finish(&db, id).await;
    let finished = until(&mut follower, Kind::Finished).await;
    assert_eq!(finished.transaction_id, Some(id.to_string()));
}

#[tokio::test]
async fn what_happens_to_one_transaction_is_told_in_its_order() {
    let db = database().await;
    let id = entry(&db, 4 * AGE, AGE).await;
    let mut follower = follower(&db).await;
    fail(&db, id, 1).await;
    assert_eq!(retry(&db, id, &by()).await.unwrap(), Retried::Reopened);
    execute(&db, MOVED).await;
    fail(&db, id, 2).await;
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let look = follower.look(&db).await.unwrap();
        kinds.extend(look.events.iter().map(|event| event.event));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // That it had failed before is told no more: it was reopened before anybody could be told.
    assert_eq!(kinds, [Kind::Operator, Kind::Failed]);
}

#[tokio::test]
async fn a_stream_says_where_it_begins_and_ends_with_the_process() {
    let service = Service::new([]).await;
    let ask = service.get("/v1/events");
    let mut ask = std::pin::pin!(ask);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut ask)
            .await
            .is_err()
    );
    service.stop();
    let answer = ask.await;
    assert_eq!(answer.status, OK);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let id = answer.text().strip_prefix("id: ").unwrap().trim_end();
    assert!(Cursor::decode(id).is_some());
}

#[tokio::test]
async fn who_asks_for_what_cannot_be_hears_why() {
    let service = Service::new([]).await;
    for (path, field) in [
        ("/v1/events?source=A", "source"),
        ("/v1/events?cursor=x", "cursor"),
    ] {
        let answer = service.get(path).await;
        answer.assert_problem(422);
        assert_eq!(answer.json()["errors"][0]["field"], field);
    }
    let headers = [("last-event-id", "x")];
    let last = request(Method::GET, "/v1/events", &headers, Body::empty());
    service.ask(last).await.assert_problem(422);
}

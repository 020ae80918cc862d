//! What whoever watches the whole is told: how much there is, which source was heard of when, what has failed since.

use entity::{
    Verdict,
    lifecycle::{
        Transition, alert,
        failed::failed_between,
        figures,
        heard::{self, Heard},
    },
};
use sea_orm::{ConnectionTrait as _, Set};

use crate::*;

on_both! {
    unfinished_work_is_counted_by_where_it_is
    what_waits_for_a_consumer_has_waited_since_it_was_published
    failures_are_counted_by_verdict
    the_latest_that_is_known_of_a_source_stands
    a_source_is_listened_for_from_the_first_time_on
    what_was_heard_by_a_clock_that_was_set_back_was_heard_just_now
    what_was_told_is_told_by_one_alone_and_not_again_at_once
    what_has_failed_since_is_found_once
}

const MINUTE: Duration = Duration::from_secs(60);

async fn execute(db: &DatabaseConnection, sql: String) {
    db.execute_unprepared(&sql).await.unwrap();
}

/// The database's clock, as an SQL expression.
fn now(db: &DatabaseConnection) -> &'static str {
    match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        _ => "CAST(unixepoch('subsec') * 1000 AS integer)",
    }
}

async fn unfinished_work_is_counted_by_where_it_is(db: DatabaseConnection) {
    assert_eq!(
        figures::unfinished(&db).await.unwrap(),
        figures::Unfinished::default()
    );
    let ids = three(&db).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids[..1]).await;
    // The second was due a minute ago; the third is published.
    let due = received(webhook("due"));
    lifecycle::receive(&db, std::slice::from_ref(&due), NOW)
        .await
        .unwrap();
    execute(
        &db,
        format!(
            "UPDATE outbox SET due_at = {} - 60000 WHERE due_at <= {}",
            now(&db),
            now(&db)
        ),
    )
    .await;
    let clock = alert::turn(&db, "clock").await.unwrap().now;
    for due_at in [clock - 90_000, clock + 3_600_000, 1 << 62] {
        let row = retry::ActiveModel {
            id: Set(Uuid::now_v7()),
            due_at: Set(due_at),
            set_at: Set(clock),
            attempts: Set(0),
            failures: Set(0),
            crashes: Set(0),
            waits: Set(true),
            ..Default::default()
        };
        retry::Entity::insert(row)
            .exec_without_returning(&db)
            .await
            .unwrap();
    }
    let found = figures::unfinished(&db).await.unwrap();
    assert_eq!(
        (found.due, found.published, found.in_flight),
        (1, 2, 1),
        "{found:?}"
    );
    assert_eq!(
        (found.retries_due, found.retries_waiting, found.parked),
        (1, 1, 1),
        "{found:?}"
    );
    let overdue = found.overdue_ms.unwrap();
    assert!((90_000..120_000).contains(&overdue), "{found:?}");
    let tables = figures::oldest(&db).await.unwrap();
    assert_eq!(tables, [("transactions", ids[0])]);
}

async fn what_waits_for_a_consumer_has_waited_since_it_was_published(db: DatabaseConnection) {
    // Committed a moment ago, due in 10 s if nobody notes that it was published.
    let fresh = received(webhook("fresh"));
    lifecycle::receive(&db, &[fresh], Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(figures::unfinished(&db).await.unwrap().waiting_ms, None);
    three(&db).await;
    let waiting = figures::unfinished(&db).await.unwrap().waiting_ms.unwrap();
    assert!((0..30_000).contains(&waiting), "{waiting}");
    execute(
        &db,
        format!("UPDATE outbox SET due_at = {} + 600000", now(&db)),
    )
    .await;
    let waiting = figures::unfinished(&db).await.unwrap().waiting_ms.unwrap();
    assert!((300_000..330_000).contains(&waiting), "{waiting}");
}

fn failed(id: Uuid, verdict: Verdict) -> Record {
    Record {
        id,
        attempt: None,
        next: Transition::Failed {
            verdict,
            reason: "no".into(),
        },
    }
}

async fn failures_are_counted_by_verdict(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids).await;
    let verdicts = [Verdict::Poison, Verdict::Permanent, Verdict::Permanent];
    let records: Vec<Record> = ids
        .into_iter()
        .zip(verdicts)
        .map(|(id, v)| failed(id, v))
        .collect();
    assert_eq!(record_all(&db, holder, &records).await, 3);
    let mut counts = figures::failures(&db).await.unwrap();
    counts.sort_by_key(|(_, count)| *count);
    assert_eq!(counts, [(Verdict::Poison, 1), (Verdict::Permanent, 2)]);
}

/// What is known of a source.
async fn of(db: &DatabaseConnection, source: &str) -> Option<Heard> {
    let all = heard::all(db).await.unwrap();
    all.into_iter()
        .find(|heard| heard.source.as_ref() == source)
}

async fn note(db: &DatabaseConnection, source: &str, ago: Duration) {
    heard::note(db, &[(source.parse().unwrap(), ago)])
        .await
        .unwrap();
}

async fn the_latest_that_is_known_of_a_source_stands(db: DatabaseConnection) {
    assert_eq!(of(&db, "stripe").await, None);
    note(&db, "stripe", 10 * MINUTE).await;
    // Another process has heard of it since, and before.
    for ago in [5 * MINUTE, 60 * MINUTE] {
        note(&db, "stripe", ago).await;
        note(&db, "adyen", ago).await;
    }
    for source in ["stripe", "adyen"] {
        let heard = of(&db, source).await.unwrap();
        assert!((5 * MINUTE..6 * MINUTE).contains(&heard.ago), "{heard:?}");
        assert!(!heard.never);
    }
}

async fn a_source_is_listened_for_from_the_first_time_on(db: DatabaseConnection) {
    let source = ["stripe".parse().unwrap()];
    heard::listen(&db, &source).await.unwrap();
    let before = of(&db, "stripe").await.unwrap();
    assert!(before.never && before.ago < MINUTE, "{before:?}");
    execute(&db, "UPDATE heard SET last_at = last_at + 3600000".into()).await;
    heard::listen(&db, &source).await.unwrap();
    let listened = of(&db, "stripe").await.unwrap();
    assert!(
        listened.never && listened.ago >= 60 * MINUTE,
        "{listened:?}"
    );
    note(&db, "stripe", 600 * MINUTE).await;
    heard::listen(&db, &source).await.unwrap();
    let heard = of(&db, "stripe").await.unwrap();
    assert!(!heard.never && heard.ago >= 600 * MINUTE, "{heard:?}");
}

async fn what_was_heard_by_a_clock_that_was_set_back_was_heard_just_now(db: DatabaseConnection) {
    note(&db, "stripe", Duration::ZERO).await;
    execute(&db, "UPDATE heard SET last_at = last_at + 3600000".into()).await;
    assert_eq!(of(&db, "stripe").await.unwrap().ago, Duration::ZERO);
}

async fn what_was_told_is_told_by_one_alone_and_not_again_at_once(db: DatabaseConnection) {
    let one = alert::turn(&db, "failed").await.unwrap();
    let other = alert::turn(&db, "failed").await.unwrap();
    assert!(one.is_free && other.is_free);
    assert_eq!(one.told_to, other.told_to);
    assert!(one.told_to <= one.now);
    let to = one.now + 1;
    assert!(alert::told(&db, "failed", one, to, MINUTE).await.unwrap());
    assert!(!alert::told(&db, "failed", other, to, MINUTE).await.unwrap());
    let next = alert::turn(&db, "failed").await.unwrap();
    assert_eq!((next.told_to, next.is_free), (to, false));
    // Another kind has turns of its own.
    assert!(alert::turn(&db, "silent").await.unwrap().is_free);
    let after = alert::told(&db, "failed", next, to + 1, NOW).await.unwrap();
    assert!(after && alert::turn(&db, "failed").await.unwrap().is_free);
}

async fn what_has_failed_since_is_found_once(db: DatabaseConnection) {
    let before = alert::turn(&db, "failed").await.unwrap().now - 1;
    let ids = three(&db).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids).await;
    let all: Vec<Record> = ids
        .iter()
        .map(|id| failed(*id, Verdict::Permanent))
        .collect();
    assert_eq!(record_all(&db, holder, &all).await, 3);
    let after = alert::turn(&db, "failed").await.unwrap().now + 1;
    let found = failed_between(&db, (before, after), 0).await.unwrap();
    let mut found: Vec<Uuid> = found.into_iter().map(|failed| failed.id).collect();
    found.sort();
    assert_eq!(found, ids);
    for (range, portions) in [
        ((after, after + 60_000), 0),
        ((before - 60_000, before), 0),
        ((before, after), 1),
    ] {
        assert_eq!(failed_between(&db, range, portions).await.unwrap(), []);
    }
    // A time that ends in a zero is no text of another length.
    let whole = before / 1000 * 1000;
    for (failed_at, from, is_found) in [(875, 870, true), (870, 870, false), (5, 0, true)] {
        let time = match db.get_database_backend() {
            sea_orm::DbBackend::Postgres => "to_timestamp(MS / 1000.0)",
            _ => "strftime('%Y-%m-%dT%H:%M:%fZ', MS / 1000.0, 'unixepoch')",
        };
        let time = time.replace("MS", &(whole + failed_at).to_string());
        execute(&db, format!("UPDATE failures SET failed_at = {time}")).await;
        let range = (whole + from, whole + from + 10);
        let found = failed_between(&db, range, 0).await.unwrap();
        assert_eq!(found.len(), if is_found { 3 } else { 0 }, "{failed_at}");
    }
}

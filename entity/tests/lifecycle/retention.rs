//! What is old goes, and nothing else: nothing that is unfinished, no id, and no verdict.

mod months;

use entity::{
    Outcome, Verdict,
    lifecycle::{
        Attempt, Record, Transition, attempts, failure,
        retention::{self, Before, Table, months as partitions, rows},
    },
};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use time::OffsetDateTime;

use crate::*;

on_both! {
    what_is_old_and_finished_goes_and_its_id_stays
    nothing_unfinished_goes_whatever_its_age
    what_is_young_stays
    attempts_of_a_replay_are_as_old_as_they_are
    rows_go_a_portion_at_a_time
    what_has_its_own_time_goes_by_that
}

/// Long ago, and a while after that.
const OLD: &str = "2024-01-15T10:30:00Z";
const LIMIT: &str = "2024-03-01T00:00:00Z";

fn at(rfc3339: &str) -> OffsetDateTime {
    OffsetDateTime::parse(rfc3339, &time::format_description::well_known::Rfc3339).unwrap()
}

fn before(rfc3339: &str) -> Before {
    Before::new(at(rfc3339))
}

/// A row's id of a time.
fn made_at(rfc3339: &str, number: u8) -> Uuid {
    let millis = at(rfc3339).unix_timestamp() as u64 * 1000 + u64::from(number);
    uuid::Builder::from_unix_timestamp_millis(millis, &[number; 10]).into_uuid()
}

async fn run(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.expect(sql);
}

async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.expect(sql).unwrap();
    row.try_get_by_index(0).unwrap()
}

/// As SQL writes it.
fn quoted(db: &DatabaseConnection, id: Uuid) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!("'{id}'::uuid"),
        _ => format!("X'{}'", id.simple()),
    }
}

/// A database in which each month of the past gets a partition of its own, as it has after some years.
async fn with_months(db: &DatabaseConnection) {
    if db.get_database_backend() == DbBackend::Postgres {
        run(
            db,
            "DO $$ DECLARE first regclass; BEGIN \
               FOR first IN SELECT inhrelid::regclass FROM pg_inherits \
                 WHERE inhparent IN ('transactions'::regclass, 'payloads'::regclass) LOOP \
                 EXECUTE 'DROP TABLE ' || first; END LOOP; END $$",
        )
        .await;
    }
}

/// Receives this at that time.
async fn receive_at(db: &DatabaseConnection, rfc3339: &str, number: u8, webhook: Webhook) -> Uuid {
    let id = made_at(rfc3339, number);
    let receipt = receive_one(db, &Received { id, webhook }).await;
    assert_eq!(receipt, Receipt::New);
    id
}

fn tried(id: Uuid, next: Transition) -> Record {
    let attempt = Attempt {
        id,
        number: 1,
        started_at: at(OLD),
        took: Duration::from_millis(5),
        outcome: Outcome::Failed,
        status: Some(503),
        error: None,
        retry_after: None,
    };
    Record {
        id,
        attempt: Some(Box::new(attempt)),
        next,
    }
}

fn given_up() -> Transition {
    Transition::Failed {
        verdict: Verdict::Permanent,
        reason: "answered 400".into(),
    }
}

async fn end(db: &DatabaseConnection, id: Uuid, next: Transition) {
    let (_, holder) = consumer(db).await;
    assert_eq!(take(db, holder, &[id]).await.mine, [id]);
    assert_eq!(record_all(db, holder, &[tried(id, next)]).await, 1);
}

/// Deletes what is older, as a round does. Returns how many rows went one by one, and how many months.
async fn forget(db: &DatabaseConnection, table: Table, before: Before) -> u64 {
    if table.has_months(db) {
        let mut gone = 0;
        for month in partitions::months(db, table, before).await.unwrap() {
            if partitions::detach(db, &month).await.unwrap() == partitions::Taken::Detached {
                gone += 1;
            }
        }
        while partitions::drop_detached(db).await.unwrap().is_some() {}
        return gone;
    }
    let (mut from, mut gone) = (Uuid::nil(), 0);
    loop {
        let deleted = rows::delete(db, table, before, from).await.unwrap();
        gone += deleted.rows;
        match deleted.next {
            Some(next) => from = next,
            None => return gone,
        }
    }
}

async fn forget_all(db: &DatabaseConnection, before: Before) {
    for table in Table::ALL {
        forget(db, table, before).await;
    }
}

async fn known(db: &DatabaseConnection, source: &str, id: &str) -> Option<Status> {
    let source = source.parse().unwrap();
    let known = lifecycle::known(db, &source, &named(id)).await.unwrap();
    known.map(|known| known.status)
}

async fn what_is_old_and_finished_goes_and_its_id_stays(db: DatabaseConnection) {
    with_months(&db).await;
    let done = receive_at(&db, OLD, 1, webhook("done")).await;
    let failed = receive_at(&db, OLD, 2, event("stripe", "failed", |_| ())).await;
    end(&db, done, Transition::Processed).await;
    end(&db, failed, given_up()).await;
    forget_all(&db, before(LIMIT)).await;

    assert_eq!(number(&db, "SELECT count(*) FROM transactions").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM payloads").await, 0);
    assert!(attempts(&db, done).await.unwrap().is_empty());
    assert_eq!(find(&db, "done").await, None);
    assert_eq!(
        known(&db, "transactions", "done").await,
        Some(Status::Processed)
    );
    assert_eq!(known(&db, "stripe", "failed").await, Some(Status::Failed));
    assert_eq!(known(&db, "stripe", "done").await, None);
    assert_eq!(
        failure(&db, failed).await.unwrap().unwrap().reason,
        "answered 400"
    );

    for (again, status, conflict) in [
        (webhook("done"), Status::Processed, false),
        (
            with("done", |p| p.currency = "EUR".parse().unwrap()),
            Status::Processed,
            true,
        ),
        (event("stripe", "failed", |_| ()), Status::Failed, false),
        (
            event("stripe", "failed", |event| event.kind = None),
            Status::Failed,
            true,
        ),
    ] {
        let receipt = receive_one(&db, &received(again)).await;
        assert_eq!(
            receipt,
            Receipt::Duplicate {
                id: ANY,
                status,
                conflict
            }
        );
    }
    assert_eq!(number(&db, "SELECT count(*) FROM conflicts").await, 2);
    assert_eq!(number(&db, "SELECT count(*) FROM transactions").await, 0);
    assert_eq!(outbox_count(&db).await, 0);
}

async fn nothing_unfinished_goes_whatever_its_age(db: DatabaseConnection) {
    with_months(&db).await;
    receive_at(&db, OLD, 1, event("stripe", "waits", |_| ())).await;
    let again = receive_at(&db, OLD, 2, event("stripe", "again", |_| ())).await;
    let later = Transition::Retry {
        after: LATER,
        counts: true,
    };
    end(&db, again, later).await;
    let replayed = receive_at(&db, OLD, 3, event("stripe", "replayed", |_| ())).await;
    end(&db, replayed, Transition::Processed).await;
    let replay = format!(
        "INSERT INTO retries (id, due_at, set_at, attempts, earlier, waits, replay) VALUES ({}, 0, 0, 1, 1, TRUE, TRUE)",
        quoted(&db, replayed)
    );
    run(&db, &replay).await;

    forget_all(&db, before(LIMIT)).await;
    for id in ["waits", "again", "replayed"] {
        let row = lifecycle::find(&db, &"stripe".parse().unwrap(), &named(id)).await;
        let row = row.unwrap().expect(id);
        assert!(
            lifecycle::payload(&db, row.id).await.unwrap().is_some(),
            "{id}"
        );
    }
    for id in [again, replayed] {
        assert_eq!(attempts(&db, id).await.unwrap().len(), 1);
    }
    // Once it is finished, it goes.
    run(&db, "DELETE FROM retries").await;
    run(&db, "DELETE FROM outbox").await;
    run(
        &db,
        "UPDATE transactions SET status = 'FAILED' WHERE status = 'PROCESSING'",
    )
    .await;
    forget_all(&db, before(LIMIT)).await;
    assert_eq!(number(&db, "SELECT count(*) FROM transactions").await, 0);
    assert_eq!(number(&db, "SELECT count(*) FROM attempts").await, 0);
}

async fn what_is_young_stays(db: DatabaseConnection) {
    with_months(&db).await;
    let young = receive_at(
        &db,
        "2024-03-02T00:00:00Z",
        1,
        event("stripe", "young", |_| ()),
    )
    .await;
    end(&db, young, Transition::Processed).await;
    let now = receive_at(&db, "2026-11-01T00:00:00Z", 2, webhook("now")).await;
    end(&db, now, Transition::Processed).await;
    for table in Table::ALL {
        assert_eq!(forget(&db, table, before(LIMIT)).await, 0, "{table:?}");
    }
    assert_eq!(number(&db, "SELECT count(*) FROM transactions").await, 2);
    assert!(lifecycle::payload(&db, young).await.unwrap().is_some());
}

async fn attempts_of_a_replay_are_as_old_as_they_are(db: DatabaseConnection) {
    let id = receive_at(&db, OLD, 1, webhook("t1")).await;
    end(&db, id, Transition::Processed).await;
    let replayed = format!(
        "INSERT INTO attempts (id, number, started_at, took_ms, outcome) VALUES ({}, 2, {}, 1, 'SUCCEEDED')",
        quoted(&db, id),
        "'2024-03-01T00:00:00.000Z'"
    );
    run(&db, &replayed).await;
    assert_eq!(
        rows::count(&db, Table::Attempts, before(LIMIT))
            .await
            .unwrap(),
        1
    );
    assert_eq!(forget(&db, Table::Attempts, before(LIMIT)).await, 1);
    let left = attempts(&db, id).await.unwrap();
    assert_eq!(left.iter().map(|a| a.number).collect::<Vec<_>>(), [2]);
    assert_eq!(
        forget(&db, Table::Attempts, before("2024-03-01T00:00:01Z")).await,
        1
    );
}

async fn rows_go_a_portion_at_a_time(db: DatabaseConnection) {
    // One id has more rows than a portion; the one after it has one.
    let (many, one) = (made_at(OLD, 1), made_at(OLD, 2));
    let count = rows::PORTION + 10;
    let started = match db.get_database_backend() {
        DbBackend::Postgres => "'2024-01-15T10:30:00Z'::timestamptz",
        _ => "'2024-01-15T10:30:00.000Z'",
    };
    let fill = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) \
         INSERT INTO attempts (id, number, started_at, took_ms, outcome) \
         SELECT {}, n, {started}, 1, 'FAILED' FROM n UNION ALL SELECT {}, 1, {started}, 1, 'FAILED'",
        quoted(&db, many),
        quoted(&db, one)
    );
    run(&db, &fill).await;
    let first = rows::delete(&db, Table::Attempts, before(LIMIT), Uuid::nil())
        .await
        .unwrap();
    assert_eq!(first.rows, 0);
    let next = first.next.unwrap();
    assert_eq!(next, many);
    let second = rows::delete(&db, Table::Attempts, before(LIMIT), next)
        .await
        .unwrap();
    assert_eq!(second.rows, count);
    let next = second.next.unwrap();
    let third = rows::delete(&db, Table::Attempts, before(LIMIT), next)
        .await
        .unwrap();
    assert_eq!((third.rows, third.next), (1, None));
}

async fn what_has_its_own_time_goes_by_that(db: DatabaseConnection) {
    let times = ["'2024-01-15T10:30:00.000Z'", "'2024-03-01T00:00:00.000Z'"];
    for (n, time) in times.into_iter().enumerate() {
        let id = quoted(&db, made_at(OLD, n as u8));
        for insert in [
            format!("INSERT INTO repeats (id, count, last_at) VALUES ({id}, 3, {time})"),
            format!(
                "INSERT INTO audit (id, act, who, reason, count, acted_at) VALUES ({id}, 'retry', 'me', 'x', 1, {time})"
            ),
            format!(
                "INSERT INTO conflicts (id, transaction_id, source_account, destination_account, amount, currency, received_at) \
                 VALUES ({id}, 't{n}', 'a', 'b', '1', 'INR', {time})"
            ),
        ] {
            run(&db, &insert).await;
        }
    }
    for table in [Table::Repeats, Table::Conflicts, Table::Audit] {
        assert_eq!(rows::count(&db, table, before(LIMIT)).await.unwrap(), 1);
        assert_eq!(forget(&db, table, before(LIMIT)).await, 1, "{table:?}");
        assert_eq!(rows::count(&db, table, before(LIMIT)).await.unwrap(), 0);
        let left = format!("SELECT count(*) FROM {}", table.name());
        assert_eq!(number(&db, &left).await, 1);
    }
    let now = retention::now(&db).await.unwrap();
    assert!((now - OffsetDateTime::now_utc()).abs() < time::Duration::minutes(1));
}

#[tokio::test]
async fn sqlite_uses_freed_pages_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite:{}?mode=rwc",
        folder.path().join("test.db").display()
    );
    let db = open(&url).await;
    let fill = async |source: &str| {
        let batch = (0..2000).map(|n| Received {
            id: made_at(OLD, (n % 250) as u8),
            webhook: event(source, &format!("e{n}"), |event| {
                event.payload.body = vec![b'x'; 2000];
            }),
        });
        let batch = batch.enumerate().map(|(n, received)| Received {
            id: Uuid::from_u128(received.id.as_u128() ^ ((n as u128) << 8)),
            ..received
        });
        let batch: Vec<Received> = batch.collect();
        lifecycle::receive(&db, &batch, LATER).await.unwrap();
        run(&db, "DELETE FROM outbox").await;
        let done = "UPDATE transactions SET status = 'PROCESSED', processed_at = '2024-01-15T10:30:00.000Z'";
        run(&db, done).await;
        number(&db, "SELECT page_count FROM pragma_page_count").await
    };
    let full = fill("one").await;
    forget_all(&db, before(LIMIT)).await;
    assert_eq!(number(&db, "SELECT count(*) FROM payloads").await, 0);
    let again = fill("two").await;
    // Keys stay, and take a little.
    assert!(again < full + full / 10, "{full} pages, then {again}");
}

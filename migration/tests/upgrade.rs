//! From every former schema, with data in it, to the newest: nothing is lost, and what was unfinished is still to be done.

#![cfg(test)]

use migration::{Migrator, MigratorTrait, sea_orm};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement,
};

const PROCESSING: u8 = 1;
const PROCESSED: u8 = 2;
const FAILED: u8 = 3;
/// Its second attempt failed, and the third waits.
const WAITING: u8 = 4;

async fn open(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1);
    Database::connect(options).await.unwrap()
}

async fn run(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.expect(sql);
}

async fn count(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.expect(sql).unwrap();
    row.try_get_by_index(0).unwrap()
}

/// An id as SQL writes it.
fn id(db: &DatabaseConnection, number: u8) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!("'01900000-0000-7000-8000-0000000000{number:02x}'"),
        _ => format!("X'019000000000700080000000000000{number:02x}'"),
    }
}

/// What the version that needed the first `steps` migrations may have left.
async fn fill(db: &DatabaseConnection, steps: u32) {
    for (number, status, processed_at) in [
        (PROCESSING, "PROCESSING", "NULL"),
        (PROCESSED, "PROCESSED", "CURRENT_TIMESTAMP"),
        (FAILED, "FAILED", "NULL"),
        (WAITING, "PROCESSING", "NULL"),
    ] {
        let id = id(db, number);
        run(
            db,
            &format!(
                "INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency, \
                 status, processed_at) VALUES ({id}, 'txn_{number}', 'a', 'b', '10.5', 'INR', '{status}', {processed_at})"
            ),
        )
        .await;
    }
    let (processing, waiting) = (id(db, PROCESSING), id(db, WAITING));
    run(
        db,
        &format!("INSERT INTO outbox (id, due_at) VALUES ({processing}, 1)"),
    )
    .await;
    let rest = match steps {
        1 | 2 => format!("INSERT INTO outbox (id, due_at) VALUES ({waiting}, 1)"),
        3 => format!(
            "INSERT INTO outbox (id, due_at, attempts, waits) VALUES ({waiting}, 1, 2, true)"
        ),
        _ => format!(
            "INSERT INTO retries (id, due_at, set_at, attempts, failures, waits) VALUES ({waiting}, 1, 0, 2, 2, true)"
        ),
    };
    run(db, &rest).await;
    let conflict = format!(
        "INSERT INTO conflicts (id, transaction_id, source_account, destination_account, amount, currency) \
         VALUES ({}, 'txn_{PROCESSED}', 'a', 'c', '1', 'INR')",
        id(db, 9)
    );
    run(db, &conflict).await;
}

async fn is_whole(db: &DatabaseConnection, steps: u32) {
    assert_eq!(count(db, "SELECT count(*) FROM transactions").await, 4);
    assert_eq!(count(db, "SELECT count(*) FROM conflicts").await, 1);
    let lost = "SELECT count(*) FROM transactions t WHERE status = 'PROCESSING' AND \
         (SELECT count(*) FROM outbox o WHERE o.id = t.id) + (SELECT count(*) FROM retries r WHERE r.id = t.id) <> 1";
    assert_eq!(count(db, lost).await, 0);
    let left = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM retries)";
    assert_eq!(count(db, left).await, 2);
    if steps >= 3 {
        let tried = "SELECT count(*) FROM retries WHERE attempts = 2 AND failures = 2 AND waits";
        assert_eq!(count(db, tried).await, 1);
    }
    let again = format!(
        "INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
         VALUES ({}, 'txn_{FAILED}', 'a', 'b', '10.5', 'INR')",
        id(db, 8)
    );
    assert!(db.execute_unprepared(&again).await.is_err());
}

fn all() -> u32 {
    Migrator::migrations().len() as u32
}

#[tokio::test]
async fn sqlite_keeps_what_former_versions_have_left() {
    for steps in 1..all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let db = open(&format!("sqlite:{}?mode=rwc", file.display())).await;
        Migrator::up(&db, Some(steps)).await.unwrap();
        fill(&db, steps).await;
        Migrator::up(&db, None).await.unwrap();
        is_whole(&db, steps).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn postgres_keeps_what_former_versions_have_left() {
    let server = testbed::given::postgres().unwrap();
    for steps in 1..all() {
        let url = testbed::postgres::create_database(&server).await.unwrap();
        let db = open(&url).await;
        Migrator::up(&db, Some(steps)).await.unwrap();
        fill(&db, steps).await;
        Migrator::up(&db, None).await.unwrap();
        is_whole(&db, steps).await;
        db.close().await.unwrap();
        testbed::postgres::drop_database(&url).await.unwrap();
    }
}

/// By any other order than that of its bytes an index is wrong after an upgrade of the library that knows the order, and
/// what is known is taken as new.
#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn postgres_orders_every_key_by_its_bytes() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    Migrator::up(&db, None).await.unwrap();
    let otherwise = "SELECT count(*) FROM pg_index \
         JOIN pg_class ON pg_class.oid = indrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         CROSS JOIN LATERAL unnest(indcollation) AS of (number) \
         JOIN pg_collation ON pg_collation.oid = of.number \
         WHERE nspname = 'public' AND relname <> 'seaql_migrations' AND collname <> 'C'";
    assert_eq!(count(&db, otherwise).await, 0);
    let by_bytes = otherwise.replace("<> 'C'", "= 'C'");
    assert!(count(&db, &by_bytes).await >= 3);
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

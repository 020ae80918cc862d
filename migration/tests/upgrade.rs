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
    if steps >= 8 {
        let keys = format!(
            "INSERT INTO keys (source, transaction_id, id, fingerprint) \
             SELECT source, transaction_id, id, {} FROM transactions",
            fingerprint(db)
        );
        run(db, &keys).await;
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
    let known = format!(
        "SELECT count(*) FROM keys WHERE source = 'transactions' AND fingerprint = {FINGERPRINT} \
         AND id = (SELECT id FROM transactions t WHERE t.transaction_id = keys.transaction_id)",
        FINGERPRINT = fingerprint(db)
    );
    assert_eq!(count(db, &known).await, 4);
    let others =
        "SELECT count(*) FROM transactions WHERE source <> 'transactions' OR type IS NOT NULL";
    assert_eq!(count(db, others).await, 0);
}

/// Of what is filled in: the first 16 bytes of the SHA-256 of U+001F, `a`, U+001F, `b`, U+001F, `10.5000`, U+001F, `INR`.
fn fingerprint(db: &DatabaseConnection) -> String {
    let text = "\u{1f}a\u{1f}b\u{1f}10.5000\u{1f}INR";
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest.as_ref()[..16]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    match db.get_database_backend() {
        DbBackend::Postgres => format!("'{hex}'"),
        _ => format!("X'{hex}'"),
    }
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

/// The version that needed five migrations.
const FORMER: u32 = 5;

/// What it may do while the schema changes under it, until the last of the three that belong together.
#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn the_version_before_serves_while_keys_are_filled() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    Migrator::up(&db, Some(FORMER)).await.unwrap();
    fill(&db, FORMER).await;
    for number in 20..22 {
        Migrator::up(&db, Some(1)).await.unwrap();
        for _ in 0..2 {
            let receive = format!(
                "INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
                 VALUES ({}, 'txn_{number}', 'a', 'b', 10.5, 'INR') ON CONFLICT (transaction_id) DO NOTHING",
                id(&db, number)
            );
            run(&db, &receive).await;
        }
    }
    Migrator::up(&db, None).await.unwrap();
    let known = format!(
        "SELECT count(*) FROM keys JOIN transactions USING (id, transaction_id) WHERE fingerprint = {}",
        fingerprint(&db)
    );
    assert_eq!(count(&db, &known).await, 6);
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

/// Going back needs a place for everything.
async fn back_and_forth(db: &DatabaseConnection) {
    Migrator::up(db, Some(FORMER)).await.unwrap();
    fill(db, FORMER).await;
    Migrator::up(db, None).await.unwrap();
    let other = format!(
        "INSERT INTO keys (source, transaction_id, id, fingerprint) VALUES ('stripe', 'evt_1', {0}, {0})",
        id(db, 30)
    );
    run(db, &other).await;
    let back = Some(all() - FORMER);
    let error = Migrator::down(db, back).await.unwrap_err().to_string();
    assert!(
        error.contains("1 transactions are of other sources"),
        "{error}"
    );
    is_whole(db, FORMER).await;
    run(db, "DELETE FROM keys WHERE source = 'stripe'").await;
    Migrator::down(db, back).await.unwrap();
    assert_eq!(count(db, "SELECT count(*) FROM transactions").await, 4);
    assert_eq!(count(db, "SELECT count(*) FROM conflicts").await, 1);
    let again = format!(
        "INSERT INTO transactions (id, transaction_id, source_account, destination_account, amount, currency) \
         VALUES ({}, 'txn_{FAILED}', 'a', 'b', '10.5', 'INR')",
        id(db, 8)
    );
    assert!(db.execute_unprepared(&again).await.is_err());
    Migrator::up(db, None).await.unwrap();
    is_whole(db, FORMER).await;
}

#[tokio::test]
async fn sqlite_goes_back_to_the_version_before_and_forth_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let db = open(&format!("sqlite:{}?mode=rwc", file.display())).await;
    back_and_forth(&db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn postgres_goes_back_to_the_version_before_and_forth_again() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    back_and_forth(&db).await;
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

const MILLION: i64 = 1_000_000;

/// All of them finished, each a millisecond after the one before.
async fn fill_a_million(db: &DatabaseConnection) {
    let columns = "id, transaction_id, source_account, destination_account, amount, currency, status, processed_at";
    let insert = match db.get_database_backend() {
        DbBackend::Postgres => format!(
            "INSERT INTO transactions ({columns}) \
             SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000000000000001')::uuid, 'txn_' || n, 'a', 'b', \
               10.5, 'INR', 'PROCESSED', now() FROM generate_series(1, {MILLION}) AS n"
        ),
        _ => format!(
            "INSERT INTO transactions ({columns}) \
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MILLION}) \
             SELECT unhex(printf('%012x', 1700000000000 + n) || '70008000000000000001'), 'txn_' || n, 'a', 'b', \
               '10.5', 'INR', 'PROCESSED', CURRENT_TIMESTAMP FROM numbers"
        ),
    };
    run(db, &insert).await;
}

async fn a_million_go_forth_and_back(db: &DatabaseConnection) {
    Migrator::up(db, Some(FORMER)).await.unwrap();
    fill_a_million(db).await;
    let began = std::time::Instant::now();
    Migrator::up(db, None).await.unwrap();
    let forth = began.elapsed();
    let known = format!(
        "SELECT count(*) FROM keys JOIN transactions ON transactions.id = keys.id \
           AND transactions.transaction_id = keys.transaction_id WHERE fingerprint = {}",
        fingerprint(db)
    );
    assert_eq!(count(db, &known).await, MILLION);
    let began = std::time::Instant::now();
    Migrator::down(db, Some(all() - FORMER)).await.unwrap();
    println!("forth in {forth:?}, back in {:?}", began.elapsed());
    assert_eq!(
        count(db, "SELECT count(*) FROM transactions").await,
        MILLION
    );
}

#[tokio::test]
async fn sqlite_with_a_million_rows_goes_forth_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let db = open(&format!("sqlite:{}?mode=rwc", file.display())).await;
    a_million_go_forth_and_back(&db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn postgres_with_a_million_rows_goes_forth_and_back() {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    a_million_go_forth_and_back(&db).await;
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

//! PostgreSQL's partitions by month.

use std::collections::BTreeSet;

use lifecycle::partition;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::*;

async fn database() -> (String, DatabaseConnection) {
    let server = testbed::given::postgres().unwrap();
    let url = testbed::postgres::create_database(&server).await.unwrap();
    let db = open(&url).await;
    (url, db)
}

async fn drop(url: String, db: DatabaseConnection) {
    db.close().await.unwrap();
    testbed::postgres::drop_database(&url).await.unwrap();
}

async fn partitions(db: &DatabaseConnection) -> BTreeSet<String> {
    let query = "SELECT inhrelid::regclass::text FROM pg_inherits \
         WHERE inhparent IN ('transactions'::regclass, 'payloads'::regclass)";
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, query))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// An id of a clock that shows this time.
fn made_at(rfc3339: &str) -> Uuid {
    let format = &time::format_description::well_known::Rfc3339;
    let time = time::OffsetDateTime::parse(rfc3339, format).unwrap();
    let millis = time.unix_timestamp() as u64 * 1000;
    uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_webhook_of_any_month_finds_a_partition() {
    let (url, db) = database().await;
    assert_eq!(partitions(&db).await.len(), 2);
    for (id, time) in [
        ("past", "1999-05-05T00:00:00Z"),
        ("future", "2099-05-31T23:59:59Z"),
        ("next", "2099-06-01T00:00:00Z"),
    ] {
        let received = [
            Received {
                id: made_at(time),
                webhook: webhook(id),
            },
            Received {
                id: Uuid::now_v7(),
                webhook: event("stripe", id, |_| ()),
            },
        ];
        let receipts = lifecycle::receive(&db, &received, LATER).await.unwrap();
        assert_eq!(receipts, [Receipt::New, Receipt::New], "{id}");
        assert_eq!(find(&db, id).await.unwrap().id, made_at(time));
    }
    let made = partitions(&db).await;
    for name in [
        "transactions_2099_05",
        "transactions_2099_06",
        "payloads_2099_05",
    ] {
        assert!(made.contains(name), "{name} of {made:?}");
    }
    assert_eq!(made.len(), 6);
    drop(url, db).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn partitions_are_made_ahead_once_whoever_asks() {
    let (url, db) = database().await;
    // This month and the next are the first partition's.
    assert!(!partition::make_ahead(&db).await.unwrap());
    let make = || async {
        let make = "SELECT hookline_make_partitions('2040-02-29T23:00:00-02')";
        db.query_one_raw(Statement::from_string(DbBackend::Postgres, make))
            .await
    };
    let made = futures::future::join_all((0..8).map(|_| make())).await;
    let made = made.into_iter().filter(|made| {
        made.as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .try_get_by_index(0)
            .unwrap()
    });
    assert_eq!(made.count(), 1);
    assert!(partitions(&db).await.contains("transactions_2040_03"));
    drop(url, db).await;
}

//! Every migration goes up and down, on both databases, and several processes may do it at once.

#![cfg(test)]

use migration::{Migrator, MigratorTrait, SchemaManager, sea_orm};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

const TABLES: [&str; 19] = [
    "transactions",
    "outbox",
    "conflicts",
    "consumers",
    "attempts",
    "failures",
    "retries",
    "queues",
    "probe",
    "keys",
    "payloads",
    "refusals",
    "audit",
    "bulk_retries",
    "pauses",
    "repeats",
    "duties",
    "heard",
    "alerts",
];

async fn open(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1);
    Database::connect(options).await.unwrap()
}

async fn postgres() -> String {
    let server = testbed::given::postgres().unwrap();
    testbed::postgres::create_database(&server).await.unwrap()
}

async fn tables(db: &DatabaseConnection) -> Vec<&'static str> {
    let mut tables = Vec::new();
    for table in TABLES {
        if SchemaManager::new(db).has_table(table).await.unwrap() {
            tables.push(table);
        }
    }
    tables
}

async fn up_down_and_up_again(db: DatabaseConnection) {
    let count = Migrator::migrations().len() as u32;
    Migrator::up(&db, None).await.unwrap();
    assert_eq!(tables(&db).await, TABLES);
    Migrator::down(&db, Some(count)).await.unwrap();
    assert!(tables(&db).await.is_empty());
    Migrator::up(&db, None).await.unwrap();
    Migrator::refresh(&db).await.unwrap();
    Migrator::fresh(&db).await.unwrap();
    assert_eq!(tables(&db).await, TABLES);
    Migrator::reset(&db).await.unwrap();
    assert!(tables(&db).await.is_empty());
}

#[tokio::test]
async fn sqlite_goes_up_and_down() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite:{}?mode=rwc",
        folder.path().join("test.db").display()
    );
    up_down_and_up_again(open(&url).await).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn postgres_goes_up_and_down() {
    let url = postgres().await;
    up_down_and_up_again(open(&url).await).await;
    testbed::postgres::drop_database(&url).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn several_may_migrate_an_empty_database_at_once() {
    let url = postgres().await;
    let all = (0..6).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { Migrator::up(&open(&url).await, None).await })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(tables(&open(&url).await).await, TABLES);
    testbed::postgres::drop_database(&url).await.unwrap();
}

//! How long statements wait for a connection.

use entity::{Waits, lifecycle::alert};
use sea_orm::TransactionTrait as _;

use crate::*;

on_both! {
    who_waits_for_a_connection_is_counted_with_the_length_of_the_wait
}

/// How many statements there were, and how many seconds they waited together.
fn waited(waits: &Waits) -> (u64, f64) {
    let snapshot = waits.snapshot();
    (snapshot.count(), snapshot.sum)
}

async fn who_waits_for_a_connection_is_counted_with_the_length_of_the_wait(db: DatabaseConnection) {
    let another = Database::connect("sqlite::memory:").await.unwrap();
    let [waits, of_another] = [&db, &another].map(Waits::of);
    alert::turn(&db, "clock").await.unwrap();
    let (before, at_once) = waited(&waits);
    assert!(before > 0 && at_once < 1.0, "{before} in {at_once} s");
    // Somebody has every connection.
    let mut held = Vec::new();
    for _ in 0..connections(&db) {
        held.push(db.begin().await.unwrap());
    }
    let waiting = {
        let db = db.clone();
        tokio::spawn(async move { alert::turn(&db, "clock").await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(waited(&waits).0, before, "it waits still");
    for one in held {
        one.rollback().await.unwrap();
    }
    waiting.await.unwrap().unwrap();
    let (after, length) = waited(&waits);
    assert!(
        after > before && length - at_once > 0.25,
        "{after} in {length} s"
    );
    assert_eq!(waited(&of_another), (0, 0.0));
}

/// How many there may be at most.
fn connections(db: &DatabaseConnection) -> u32 {
    match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => db
            .get_postgres_connection_pool()
            .options()
            .get_max_connections(),
        _ => db
            .get_sqlite_connection_pool()
            .options()
            .get_max_connections(),
    }
}

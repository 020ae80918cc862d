//! A lease from its beginning to its end, on SQLite.

use migration::{Migrator, MigratorTrait as _};
use sea_orm::TransactionTrait as _;

use super::*;
use crate::fixtures::database;

const LENGTH: Duration = Duration::from_secs(1);

fn lease(db: &DatabaseConnection, embedded: bool) -> Lease {
    let tenancy = Tenancy::Shared {
        lease: LENGTH,
        embedded,
    };
    Lease::new(db.clone(), tenancy, watch::Sender::new(false))
}

async fn change(lease: &mut Lease) -> Result<Change, Error> {
    let change = tokio::time::timeout(20 * LENGTH, lease.change());
    change.await.expect("a change within 20 lengths")
}

/// Waits until the lease has begun; returns in whose name.
async fn began(lease: &mut Lease) -> Holder {
    assert_eq!(change(lease).await.unwrap(), Change::Began);
    lease.holder().expect("it runs")
}

/// Whether others are told that it runs.
fn is_told(lease: &Lease) -> bool {
    match lease {
        Lease::NotNeeded => panic!("none is needed"),
        Lease::Needed(lease) => *lease.told.borrow(),
    }
}

async fn consumers(db: &DatabaseConnection) -> Vec<Uuid> {
    let renewals = lifecycle::lease::renewals(db).await.unwrap();
    renewals.into_keys().collect()
}

#[tokio::test]
async fn nobody_works_before_the_lease_and_nobody_waits_after_it() {
    let db = database().await;
    let mut lease = lease(&db, false);
    assert_eq!(lease.holder(), None);
    let holder = began(&mut lease).await;
    let [consumer] = consumers(&db).await[..] else {
        panic!("one consumer")
    };
    assert_eq!(holder, Holder::Consumer(consumer));
    lease.end().await;
    assert!(consumers(&db).await.is_empty());
}

#[tokio::test]
async fn a_lease_ends_by_our_clock_even_if_its_keeper_hangs() {
    let (grants, granted) = watch::channel(None);
    let mut lease = Lease::Needed(Needed {
        told: watch::Sender::new(false),
        granted,
        began: None,
        stop: CancellationToken::new(),
        keeper: tokio::spawn(std::future::pending()),
    });
    let until = Instant::now() + Duration::from_millis(50);
    let consumer = Uuid::now_v7();
    grants.send_replace(Some(Grant { consumer, until }));
    assert!(!is_told(&lease));
    assert_eq!(began(&mut lease).await, Holder::Consumer(consumer));
    assert!(is_told(&lease));
    sleep_until(until).await;
    assert_eq!(lease.holder(), None);
    assert_eq!(change(&mut lease).await.unwrap(), Change::Lost);
    assert!(!is_told(&lease));
    // A grant that has run out before anybody looked begins nothing.
    grants.send_replace(Some(Grant { consumer, until }));
    let change = tokio::time::timeout(Duration::from_millis(50), lease.change());
    assert!(change.await.is_err());
}

#[tokio::test]
async fn a_lease_ends_here_by_our_clock_while_the_database_hangs() {
    let db = database().await;
    let mut lease = lease(&db, false);
    let first = began(&mut lease).await;
    // Nobody else gets its one connection.
    let hang = db.begin().await.unwrap();
    assert_eq!(change(&mut lease).await.unwrap(), Change::Lost);
    assert_eq!(lease.holder(), None);
    hang.rollback().await.unwrap();
    assert_ne!(began(&mut lease).await, first);
}

#[tokio::test]
async fn who_was_found_dead_begins_anew_under_another_id() {
    let db = database().await;
    let mut lease = lease(&db, false);
    let first = began(&mut lease).await;
    let renewals = lifecycle::lease::renewals(&db).await.unwrap();
    for (consumer, renewal) in renewals {
        // It renews its lease meanwhile, and then it is not dead.
        let mut renewal = renewal;
        while !lifecycle::lease::bury(&db, consumer, renewal)
            .await
            .unwrap()
        {
            renewal = lifecycle::lease::renewals(&db).await.unwrap()[&consumer];
        }
    }
    assert_eq!(change(&mut lease).await.unwrap(), Change::Lost);
    assert_ne!(began(&mut lease).await, first);
}

#[tokio::test]
async fn a_second_process_with_a_queue_of_its_own_is_refused_while_the_first_lives() {
    let db = database().await;
    let mut first = lease(&db, true);
    began(&mut first).await;
    let mut second = lease(&db, true);
    assert!(matches!(change(&mut second).await, Err(Error::Taken)));
    assert!(first.holder().is_some());
}

#[tokio::test]
async fn the_lease_of_a_process_that_has_died_runs_out_and_the_next_begins() {
    let db = database().await;
    let dead = Uuid::now_v7();
    lifecycle::lease::begin(&db, dead, LENGTH, true)
        .await
        .unwrap();
    let mut next = lease(&db, true);
    let holder = began(&mut next).await;
    assert_ne!(holder, Holder::Consumer(dead));
    assert!(!consumers(&db).await.contains(&dead));
}

#[tokio::test]
async fn a_lease_begins_as_soon_as_the_database_lets_it() {
    let db = database().await;
    Migrator::down(&db, None).await.unwrap();
    let mut lease = lease(&db, false);
    let change = tokio::time::timeout(LENGTH, lease.change());
    assert!(change.await.is_err());
    assert_eq!(lease.holder(), None);
    Migrator::up(&db, None).await.unwrap();
    began(&mut lease).await;
}

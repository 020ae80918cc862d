//! Which process has a duty.

use entity::lifecycle::duty;
use sea_orm::ConnectionTrait as _;

use crate::*;

on_both! {
    one_process_has_a_duty_for_as_long_as_it_asks
    a_duty_that_was_given_back_is_anybodys_at_once
    a_duty_that_runs_out_goes_to_the_next_that_asks
    a_duty_of_a_clock_that_was_set_back_is_not_believed
    of_many_that_ask_at_once_one_has_it
}

const LENGTH: Duration = Duration::from_secs(10);

async fn hold(db: &DatabaseConnection, name: &str, holder: Uuid) -> bool {
    duty::hold(db, name, holder, LENGTH).await.unwrap()
}

/// Moves the end of every duty, as if the database's clock had been set.
async fn shift(db: &DatabaseConnection, by: Duration) {
    let shift = format!("UPDATE duties SET until = until + {}", by.as_millis());
    db.execute_unprepared(&shift).await.unwrap();
}

async fn one_process_has_a_duty_for_as_long_as_it_asks(db: DatabaseConnection) {
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
    for _ in 0..2 {
        assert!(hold(&db, "figures", one).await);
        assert!(!hold(&db, "figures", other).await);
    }
    // Another duty is another's.
    assert!(hold(&db, "retention", other).await);
    assert!(!hold(&db, "retention", one).await);
}

async fn a_duty_that_was_given_back_is_anybodys_at_once(db: DatabaseConnection) {
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
    assert!(hold(&db, "figures", one).await);
    // Nobody gives back what is another's.
    assert!(!duty::release(&db, "figures", other).await.unwrap());
    assert!(!hold(&db, "figures", other).await);
    assert!(duty::release(&db, "figures", one).await.unwrap());
    assert!(hold(&db, "figures", other).await);
    assert!(!duty::release(&db, "figures", one).await.unwrap());
}

async fn a_duty_that_runs_out_goes_to_the_next_that_asks(db: DatabaseConnection) {
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
    assert!(duty::hold(&db, "figures", one, NOW).await.unwrap());
    assert!(hold(&db, "figures", other).await);
    assert!(!hold(&db, "figures", one).await);
}

async fn a_duty_of_a_clock_that_was_set_back_is_not_believed(db: DatabaseConnection) {
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()];
    assert!(hold(&db, "figures", one).await);
    shift(&db, Duration::from_secs(3600)).await;
    assert!(hold(&db, "figures", other).await);
    assert!(!hold(&db, "figures", one).await);
}

async fn of_many_that_ask_at_once_one_has_it(db: DatabaseConnection) {
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { hold(&db, "figures", Uuid::now_v7()).await })
        })
        .collect();
    let mut held = 0;
    for asked in asked {
        held += usize::from(asked.await.unwrap());
    }
    assert_eq!(held, 1);
}

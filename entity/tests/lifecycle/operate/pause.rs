use entity::lifecycle::operate::pause::{Pauses, in_force, list, pause, resume, unpark};

use super::*;

on_both! {
    a_pause_is_in_force_until_it_is_resumed_or_its_time_has_come
    what_is_parked_waits_until_its_source_is_resumed
    a_clock_that_was_set_back_leaves_what_is_parked_where_it_is
    what_is_not_its_holders_any_more_is_not_parked
}

fn source(name: &str) -> SourceName {
    name.parse().unwrap()
}

async fn a_pause_is_in_force_until_it_is_resumed_or_its_time_has_come(db: DatabaseConnection) {
    let (stripe, adyen) = (source("stripe"), source("adyen"));
    assert_eq!(in_force(&db).await.unwrap(), Pauses::default());
    let hour = time::Duration::hours(1);
    let now = OffsetDateTime::now_utc();
    pause(&db, Some(&stripe), Some(now + hour), &by("a"))
        .await
        .unwrap();
    pause(&db, Some(&adyen), Some(now - hour), &by("b"))
        .await
        .unwrap();
    pause(&db, None, None, &by("c")).await.unwrap();
    let pauses = in_force(&db).await.unwrap();
    assert!(pauses.all && pauses.contains(&adyen));
    assert_eq!(pauses.sources, [stripe.clone()].into());
    let listed = list(&db).await.unwrap();
    let listed: Vec<(&str, &str)> = listed
        .iter()
        .map(|p| (p.source.as_str(), p.reason.as_str()))
        .collect();
    assert_eq!(listed, [("*", "c"), ("stripe", "a")]);

    assert!(resume(&db, None, &by("d")).await.unwrap());
    assert!(!resume(&db, None, &by("e")).await.unwrap());
    assert!(!resume(&db, Some(&adyen), &by("f")).await.unwrap());
    let pauses = in_force(&db).await.unwrap();
    assert!(!pauses.all && pauses.contains(&stripe) && !pauses.contains(&adyen));
    // A new end replaces the old one.
    pause(&db, Some(&stripe), Some(now - hour), &by("g"))
        .await
        .unwrap();
    assert_eq!(in_force(&db).await.unwrap(), Pauses::default());
    assert_eq!(
        acts(&db).await,
        ["pause", "pause", "pause", "resume", "pause"]
    );
    let first = &audited(&db).await[0];
    assert_eq!(first.source, Some(stripe));
    assert!(first.detail.as_deref().unwrap().contains("until"));
}

/// One event of each source, in a new consumer's hands.
async fn two_taken(db: &DatabaseConnection) -> ([Uuid; 2], Holder) {
    let batch = ["stripe", "adyen"].map(|name| received(event(name, "e1", |_| ())));
    lifecycle::receive(db, &batch, LATER).await.unwrap();
    let ids = batch.map(|received| received.id);
    let (_, holder) = consumer(db).await;
    assert_eq!(take(db, holder, &ids).await.mine, ids);
    (ids, holder)
}

async fn what_is_parked_waits_until_its_source_is_resumed(db: DatabaseConnection) {
    let ([one, other], holder) = two_taken(&db).await;
    let (stripe, adyen) = (source("stripe"), source("adyen"));
    let sources = lifecycle::sources(&db, &[one, other]).await.unwrap();
    assert_eq!(
        sources,
        [(one, stripe.clone()), (other, adyen.clone())].into()
    );
    let paused: Vec<_> = sources.into_iter().collect();
    assert_eq!(lifecycle::park(&db, holder, &paused).await.unwrap(), 2);
    assert_eq!(lifecycle::park(&db, holder, &paused).await.unwrap(), 0);
    assert_eq!(outbox_count(&db).await, 0);
    // Nothing that brings others back brings these.
    due::come_back(&db, &[one], NOW).await.unwrap();
    due::republish_retries(&db, NOW).await.unwrap();
    assert!(claim_retries(&db).await.is_empty());
    assert!(take(&db, holder, &[one]).await.mine.is_empty());
    let place = lifecycle::place::place(&db, one).await.unwrap().unwrap();
    assert!(place.parked && place.in_retries);
    let counts = lifecycle::overview::counts(&db).await.unwrap();
    assert_eq!((counts.retries, counts.retries_overdue_ms), (2, None));

    for name in [&stripe, &adyen] {
        pause(&db, Some(name), None, &by("x")).await.unwrap();
    }
    assert_eq!(unpark(&db).await.unwrap(), 0);
    resume(&db, Some(&stripe), &by("x")).await.unwrap();
    assert_eq!(unpark(&db).await.unwrap(), 1);
    assert_eq!(unpark(&db).await.unwrap(), 0);
    assert_eq!(claim_retries(&db).await, [one]);
    resume(&db, Some(&adyen), &by("x")).await.unwrap();
    assert_eq!(unpark(&db).await.unwrap(), 1);
    assert_eq!(claim_retries(&db).await, [other]);
    assert_eq!(take(&db, holder, &[one, other]).await.mine, [one, other]);
    let job = lifecycle::jobs(&db, &[one]).await.unwrap().remove(0);
    assert_eq!((job.attempt, job.deferrals), (1, 0));
}

async fn a_clock_that_was_set_back_leaves_what_is_parked_where_it_is(db: DatabaseConnection) {
    let ([one, _], holder) = two_taken(&db).await;
    lifecycle::park(&db, holder, &[(one, source("stripe"))])
        .await
        .unwrap();
    execute(&db, "UPDATE retries SET set_at = set_at + 3600000").await;
    due::shorten_waits(&db, ALL, 100).await.unwrap();
    assert_eq!(unpark(&db).await.unwrap(), 1);
    assert_eq!(claim_retries(&db).await, [one]);
}

async fn what_is_not_its_holders_any_more_is_not_parked(db: DatabaseConnection) {
    let ([one, _], _) = two_taken(&db).await;
    let (_, other) = consumer(&db).await;
    assert_eq!(
        lifecycle::park(&db, other, &[(one, source("stripe"))])
            .await
            .unwrap(),
        0
    );
    assert_eq!(outbox_count(&db).await, 2);
}

use entity::{
    bulk_retry::State,
    lifecycle::operate::{
        Retried,
        bulk::{
            Advanced, Changed, Filter, advance, cancel, count, create, find, list, pause, resume,
        },
        retry,
    },
};

use super::*;

on_both! {
    what_matches_is_counted_and_reopened_portion_by_portion
    each_filter_counts_what_it_names
    bulk_retries_that_overlap_reopen_each_once
    what_fails_again_is_not_reopened_by_the_same
    a_cancelled_one_reopens_nothing_more
    a_paused_one_waits_until_it_is_resumed
    what_has_been_deleted_or_reopened_meanwhile_is_passed_over
    several_processes_may_advance_the_same_one
}

/// So many that failed for the same.
async fn failures(db: &DatabaseConnection, count: usize) -> Vec<Uuid> {
    let webhooks = (0..count).map(|n| (webhook(&format!("t{n}")), "answered 503"));
    all_failed(db, webhooks.collect::<Vec<_>>()).await
}

/// The next portion, as soon as it is due.
async fn portion(db: &DatabaseConnection) -> Advanced {
    execute(
        db,
        "UPDATE bulk_retries SET next_at = 0 WHERE state = 'RUNNING'",
    )
    .await;
    advance(db).await.unwrap()
}

fn one_of(bulk: Uuid, is_last: bool) -> Advanced {
    Advanced::Portion {
        bulk,
        reopened: 1,
        is_last,
    }
}

/// Portions until nothing is running.
async fn all_portions(db: &DatabaseConnection) {
    while portion(db).await != Advanced::Nothing {}
}

async fn what_matches_is_counted_and_reopened_portion_by_portion(db: DatabaseConnection) {
    let ids = failures(&db, 5).await;
    assert_eq!(count(&db, &Filter::default()).await.unwrap(), 5);
    assert_eq!(advance(&db).await.unwrap(), Advanced::Nothing);
    let bulk = create(&db, &Filter::default(), 20, &by("they are back"))
        .await
        .unwrap();
    assert_eq!(
        (bulk.state, bulk.matched, bulk.retried),
        (State::Running, 5, 0)
    );
    assert_eq!(list(&db, 10).await.unwrap(), std::slice::from_ref(&bulk));
    // Two at a time at twenty a second.
    assert_eq!(
        advance(&db).await.unwrap(),
        Advanced::Portion {
            bulk: bulk.id,
            reopened: 2,
            is_last: false,
        }
    );
    let Advanced::NotYet { due_in } = advance(&db).await.unwrap() else {
        panic!("too early")
    };
    assert!(due_in <= Duration::from_millis(100), "{due_in:?}");
    let progress = find(&db, bulk.id).await.unwrap().unwrap();
    assert_eq!(
        (
            progress.bulk.retried,
            progress.remaining,
            progress.processed
        ),
        (2, 2, 0)
    );
    assert_eq!(status(&db, ids[1]).await, Some(Status::Processing));
    assert_eq!(status(&db, ids[2]).await, Some(Status::Failed));
    all_portions(&db).await;
    let holder = taken(&db, &ids).await;
    finish(&db, holder, &ids[..3]).await;
    record_all(&db, holder, &[failed(ids[3], 2, "answered 503")]).await;
    let progress = find(&db, bulk.id).await.unwrap().unwrap();
    assert_eq!(
        (progress.bulk.state, progress.bulk.retried),
        (State::Done, 5)
    );
    assert!(progress.bulk.ended_at.is_some());
    assert_eq!(
        (progress.remaining, progress.failed, progress.processed),
        (1, 1, 3)
    );
    // Who reopens what has failed again takes it over.
    assert_eq!(
        retry(&db, ids[3], &by("x")).await.unwrap(),
        Retried::Reopened
    );
    let progress = find(&db, bulk.id).await.unwrap().unwrap();
    assert_eq!(
        (progress.remaining, progress.failed, progress.processed),
        (1, 0, 3)
    );
    assert_eq!(progress.bulk.retried_again, 1);
    let lines = audited(&db).await;
    assert_eq!(
        (lines[0].act.as_str(), lines[0].count, lines[0].subject),
        ("bulk_retry", 5, Some(bulk.id))
    );
    assert_eq!(lines.len(), 2);
    assert_eq!(find(&db, Uuid::now_v7()).await.unwrap(), None);
}

async fn each_filter_counts_what_it_names(db: DatabaseConnection) {
    let ids = all_failed(
        &db,
        [
            (webhook("t1"), "order 17 is unknown"),
            (webhook("t2"), "order 4711 is unknown"),
            (event("stripe", "e1", |_| ()), "answered 503"),
        ],
    )
    .await;
    let count = async |filter: Filter| {
        let stored = Filter::from_json(&filter.to_json()).unwrap();
        assert_eq!(stored, filter);
        count(&db, &filter).await.unwrap()
    };
    let error = |error: &str| Filter {
        error: Some(error.into()),
        ..Filter::default()
    };
    assert_eq!(count(error("order N is unknown")).await, 2);
    assert_eq!(count(error("order 17")).await, 1);
    assert_eq!(count(error("%")).await, 0);
    let of = |source: &str| Filter {
        source: Some(source.parse().unwrap()),
        ..Filter::default()
    };
    assert_eq!(count(of("stripe")).await, 1);
    assert_eq!(count(of("adyen")).await, 0);
    for (verdict, right) in [(Verdict::Permanent, 3), (Verdict::GivenUp, 0)] {
        let filter = Filter {
            verdict: Some(verdict),
            ..Filter::default()
        };
        assert_eq!(count(filter).await, right);
    }
    let (seconds, _) = ids[0].get_timestamp().unwrap().to_unix();
    let received = OffsetDateTime::from_unix_timestamp(seconds as i64).unwrap();
    let within = |from: i64, to: i64| Filter {
        from: Some(received + time::Duration::seconds(from)),
        to: Some(received + time::Duration::seconds(to)),
        ..Filter::default()
    };
    assert_eq!(count(within(-1, 60)).await, 3);
    assert_eq!(count(within(-60, 0)).await, 0);
    assert_eq!(count(within(60, 120)).await, 0);
    assert!(Filter::from_json(r#"{"verdict":"NONE"}"#).is_err());
    assert!(Filter::from_json(r#"{"sorce":"stripe"}"#).is_err());
}

async fn bulk_retries_that_overlap_reopen_each_once(db: DatabaseConnection) {
    let ids = failures(&db, 7).await;
    let mut bulks = Vec::new();
    for _ in 0..2 {
        bulks.push(
            create(&db, &Filter::default(), 10, &by("x"))
                .await
                .unwrap()
                .id,
        );
    }
    all_portions(&db).await;
    let mut retried = 0;
    for bulk in bulks {
        let bulk = find(&db, bulk).await.unwrap().unwrap().bulk;
        assert_eq!(
            (bulk.state, bulk.matched, bulk.retried_again),
            (State::Done, 7, 0)
        );
        retried += bulk.retried;
    }
    assert_eq!(retried, 7);
    assert_eq!(retries(&db).await.len(), 7);
    taken(&db, &ids).await;
}

async fn what_fails_again_is_not_reopened_by_the_same(db: DatabaseConnection) {
    let ids = failures(&db, 3).await;
    let bulk = create(&db, &Filter::default(), 5, &by("x"))
        .await
        .unwrap()
        .id;
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(portion(&db).await, one_of(bulk, at == 2));
        let holder = taken(&db, &[*id]).await;
        record_all(&db, holder, &[failed(*id, 2, &format!("{at}"))]).await;
    }
    // What fails only now is not meant, either.
    let (_, holder) = consumer(&db).await;
    let new = received(webhook("new"));
    receive_one(&db, &new).await;
    take(&db, holder, &[new.id]).await;
    record_all(&db, holder, &[failed(new.id, 1, "new")]).await;
    all_portions(&db).await;
    let progress = find(&db, bulk).await.unwrap().unwrap();
    assert_eq!(
        (progress.bulk.retried, progress.failed, progress.processed),
        (3, 3, 0)
    );
    assert!(retries(&db).await.is_empty());
}

async fn a_cancelled_one_reopens_nothing_more(db: DatabaseConnection) {
    failures(&db, 3).await;
    let bulk = create(&db, &Filter::default(), 5, &by("x"))
        .await
        .unwrap()
        .id;
    assert_eq!(portion(&db).await, one_of(bulk, false));
    assert_eq!(
        cancel(&db, bulk, &by("enough")).await.unwrap(),
        Changed::Changed
    );
    assert_eq!(portion(&db).await, Advanced::Nothing);
    assert_eq!(retries(&db).await.len(), 1);
    assert_eq!(
        cancel(&db, bulk, &by("x")).await.unwrap(),
        Changed::Not(State::Cancelled)
    );
    assert_eq!(
        resume(&db, bulk, &by("x")).await.unwrap(),
        Changed::Not(State::Cancelled)
    );
    assert_eq!(
        cancel(&db, Uuid::now_v7(), &by("x")).await.unwrap(),
        Changed::Unknown
    );
    assert_eq!(acts(&db).await, ["bulk_retry", "bulk_cancel"]);
    assert!(
        find(&db, bulk)
            .await
            .unwrap()
            .unwrap()
            .bulk
            .ended_at
            .is_some()
    );
}

async fn a_paused_one_waits_until_it_is_resumed(db: DatabaseConnection) {
    failures(&db, 2).await;
    let bulk = create(&db, &Filter::default(), 5, &by("x"))
        .await
        .unwrap()
        .id;
    assert_eq!(pause(&db, bulk, &by("x")).await.unwrap(), Changed::Changed);
    assert_eq!(
        pause(&db, bulk, &by("x")).await.unwrap(),
        Changed::Not(State::Paused)
    );
    assert_eq!(portion(&db).await, Advanced::Nothing);
    assert!(retries(&db).await.is_empty());
    assert_eq!(resume(&db, bulk, &by("x")).await.unwrap(), Changed::Changed);
    all_portions(&db).await;
    assert_eq!(retries(&db).await.len(), 2);
    assert_eq!(acts(&db).await, ["bulk_retry", "bulk_pause", "bulk_resume"]);
}

async fn what_has_been_deleted_or_reopened_meanwhile_is_passed_over(db: DatabaseConnection) {
    let events = (0..3).map(|n| (event("stripe", &format!("e{n}"), |_| ()), "answered 503"));
    let ids = all_failed(&db, events.collect::<Vec<_>>()).await;
    let bulk = create(&db, &Filter::default(), 100, &by("x"))
        .await
        .unwrap()
        .id;
    execute(
        &db,
        &format!("DELETE FROM payloads WHERE id = {}", literal(&db, ids[0])),
    )
    .await;
    assert_eq!(
        retry(&db, ids[1], &by("x")).await.unwrap(),
        Retried::Reopened
    );
    all_portions(&db).await;
    let progress = find(&db, bulk).await.unwrap().unwrap();
    assert_eq!((progress.bulk.matched, progress.bulk.retried), (3, 1));
    assert_eq!((progress.bulk.passed_over, progress.remaining), (1, 1));
    assert_eq!(status(&db, ids[0]).await, Some(Status::Failed));
    assert_eq!(retries(&db).await.len(), 2);
}

async fn several_processes_may_advance_the_same_one(db: DatabaseConnection) {
    let ids = failures(&db, 40).await;
    let bulk = create(&db, &Filter::default(), 50, &by("x"))
        .await
        .unwrap()
        .id;
    let mut left = 40;
    while left > 0 {
        execute(
            &db,
            "UPDATE bulk_retries SET next_at = 0 WHERE state = 'RUNNING'",
        )
        .await;
        let all = futures::future::join_all((0..4).map(|_| advance(&db))).await;
        for one in all {
            if let Advanced::Portion { reopened, .. } = one.unwrap() {
                assert!(reopened <= 10);
                left -= reopened;
            }
        }
    }
    all_portions(&db).await;
    let bulk = find(&db, bulk).await.unwrap().unwrap().bulk;
    assert_eq!(
        (bulk.retried, bulk.passed_over, bulk.state),
        (40, 0, State::Done)
    );
    taken(&db, &ids).await;
}

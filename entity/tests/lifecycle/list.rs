//! Pages of transactions.

use entity::{Verdict, lifecycle::Transition};
use lifecycle::list::{Filter, Page, first_id, page};
use time::OffsetDateTime;

use crate::*;

on_both! {
    pages_go_from_the_newest_to_the_oldest_and_show_each_once
    the_unfinished_are_found_wherever_they_wait
    failures_are_found_with_their_rows
    each_filter_finds_what_it_names_and_all_together_only_what_they_share
    a_time_ends_a_page_to_the_millisecond
    a_page_that_finds_nothing_says_where_to_go_on
    texts_of_a_filter_are_no_sql
}

fn ids(page: &Page) -> Vec<&str> {
    let rows = page.rows.iter();
    rows.map(|row| row.transaction_id.as_ref()).collect()
}

async fn all(db: &DatabaseConnection, filter: &Filter) -> Vec<String> {
    let page = page(db, filter, ALL, 200).await.unwrap();
    assert_eq!(page.next, None);
    ids(&page).into_iter().map(str::to_owned).collect()
}

fn of(status: Status) -> Filter {
    Filter {
        status: Some(status),
        ..Filter::default()
    }
}

async fn pages_go_from_the_newest_to_the_oldest_and_show_each_once(db: DatabaseConnection) {
    let batch: Vec<Received> = (0..7)
        .map(|n| received(webhook(&format!("t{n}"))))
        .collect();
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let mut range = ALL;
    let mut pages = Vec::new();
    loop {
        let page = page(&db, &Filter::default(), range, 3).await.unwrap();
        pages.push(ids(&page).join(" "));
        // What comes in meanwhile is newer than where the pages are.
        receive_one(&db, &received(webhook(&format!("new{}", pages.len())))).await;
        match page.next {
            Some(next) => range.to = next,
            None => break,
        }
    }
    assert_eq!(pages, ["t6 t5 t4", "t3 t2 t1", "t0"]);
}

async fn the_unfinished_are_found_wherever_they_wait(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids).await;
    finish(&db, holder, &ids[1..2]).await;
    let again = Record {
        next: Transition::Retry {
            after: LATER,
            counts: true,
        },
        ..Record::processed(ids[0])
    };
    record_all(&db, holder, &[again]).await;
    assert_eq!(retries(&db).await.len(), 1);
    assert_eq!(all(&db, &of(Status::Processing)).await, ["t3", "t1"]);
    assert_eq!(all(&db, &of(Status::Processed)).await, ["t2"]);
    assert!(all(&db, &of(Status::Failed)).await.is_empty());
}

async fn failures_are_found_with_their_rows(db: DatabaseConnection) {
    let ids = three(&db).await;
    let (_, holder) = consumer(&db).await;
    take(&db, holder, &ids).await;
    let failed = [ids[0], ids[2]].map(|id| Record {
        next: Transition::Failed {
            verdict: Verdict::Permanent,
            reason: "answered 422".into(),
        },
        ..Record::processed(id)
    });
    record_all(&db, holder, &failed).await;
    assert_eq!(all(&db, &of(Status::Failed)).await, ["t3", "t1"]);
    let first = page(&db, &of(Status::Failed), ALL, 1).await.unwrap();
    assert_eq!((ids_of(&first), first.next), (vec![ids[2]], Some(ids[2])));
    // A key range ends both what is looked at and what is found.
    let range = Range {
        from: ids[1],
        to: ids[2],
    };
    let none = page(&db, &of(Status::Failed), range, 9).await.unwrap();
    assert_eq!(none, Page::default());
}

fn ids_of(page: &Page) -> Vec<Uuid> {
    page.rows.iter().map(|row| row.id).collect()
}

async fn each_filter_finds_what_it_names_and_all_together_only_what_they_share(
    db: DatabaseConnection,
) {
    let batch = [
        with("t1", |payment| payment.amount = "10.50".parse().unwrap()),
        with("t2", |payment| payment.currency = "EUR".parse().unwrap()),
        with("t3", |payment| {
            payment.source_account = "acc_x".parse().unwrap()
        }),
        with("t4", |payment| {
            payment.destination_account = "acc_x".parse().unwrap()
        }),
        event("stripe", "e5", |_| ()),
        event("acme", "e6", |event| {
            event.fields.currency = Some("EUR".parse().unwrap())
        }),
    ]
    .map(received);
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter
    };
    for (change, found) in [
        ((|_| ()) as fn(&mut Filter), "e6 e5 t4 t3 t2 t1"),
        (|f| f.amount = Some("10.5000".parse().unwrap()), "t1"),
        (|f| f.currency = Some("EUR".parse().unwrap()), "e6 t2"),
        (|f| f.account = Some("acc_x".parse().unwrap()), "t4 t3"),
        (
            |f| f.account = Some("acc_merchant_1".parse().unwrap()),
            "t3 t2 t1",
        ),
        (|f| f.source = Some("stripe".parse().unwrap()), "e5"),
        (|f| f.source = Some(SourceName::built_in()), "t4 t3 t2 t1"),
        (
            |f| f.kind = Some("charge.succeeded".parse().unwrap()),
            "e6 e5",
        ),
        (|f| f.kind = Some("charge".parse().unwrap()), ""),
        (|f| f.status = Some(Status::Processing), "e6 e5 t4 t3 t2 t1"),
        (
            |f| {
                f.status = Some(Status::Processing);
                f.source = Some("acme".parse().unwrap());
                f.kind = Some("charge.succeeded".parse().unwrap());
                f.currency = Some("EUR".parse().unwrap());
            },
            "e6",
        ),
    ] {
        let filter = filter(change);
        assert_eq!(all(&db, &filter).await.join(" "), found, "{filter:?}");
    }
}

async fn a_time_ends_a_page_to_the_millisecond(db: DatabaseConnection) {
    let millis = 1_790_000_000_123;
    let batch: Vec<Received> = (0..3)
        .map(|n| {
            let id = uuid::Builder::from_unix_timestamp_millis(millis + n, &[0; 10]).into_uuid();
            let webhook = webhook(&format!("t{n}"));
            Received { id, webhook }
        })
        .collect();
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let at = |micros: i128| {
        let nanos = i128::from(millis) * 1_000_000 + micros * 1000;
        first_id(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap())
    };
    for (from, to, found) in [
        (at(0), at(3000), "t2 t1 t0"),
        (at(1), at(2000), "t1"),
        (at(1000), at(1001), "t1"),
        (at(1001), at(2000), ""),
    ] {
        let range = Range { from, to };
        let page = page(&db, &Filter::default(), range, 9).await.unwrap();
        assert_eq!(ids(&page).join(" "), found);
    }
}

async fn a_page_that_finds_nothing_says_where_to_go_on(db: DatabaseConnection) {
    // The oldest is what is looked for, and a page does not reach it.
    receive_one(&db, &received(event("stripe", "e1", |_| ()))).await;
    for batch in 0..5 {
        let batch: Vec<Received> = (0..4000)
            .map(|n| received(webhook(&format!("t{batch}-{n}"))))
            .collect();
        lifecycle::receive(&db, &batch, LATER).await.unwrap();
    }
    for (status, pages) in [(None, 5), (Some(Status::Processing), 67)] {
        let filter = Filter {
            status,
            source: Some("stripe".parse().unwrap()),
            ..Filter::default()
        };
        let mut range = ALL;
        for number in 1.. {
            let page = page(&db, &filter, range, 50).await.unwrap();
            match page.next {
                Some(next) => {
                    assert_eq!(ids(&page).join(" "), "");
                    range.to = next;
                }
                None => {
                    assert_eq!((ids(&page).join(" ").as_str(), number), ("e1", pages));
                    break;
                }
            }
        }
    }
}

async fn texts_of_a_filter_are_no_sql(db: DatabaseConnection) {
    let account = "'; DROP TABLE outbox; --\\";
    let sent = with("t1", |payment| {
        payment.source_account = account.parse().unwrap()
    });
    receive_one(&db, &received(sent)).await;
    let filter = Filter {
        account: Some(account.parse().unwrap()),
        ..Filter::default()
    };
    assert_eq!(all(&db, &filter).await, ["t1"]);
    assert_eq!(outbox_count(&db).await, 1);
}

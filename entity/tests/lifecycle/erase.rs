//! Content that is erased, and ids that are not.

use entity::{
    audit,
    lifecycle::{
        Known, attempts,
        erase::{self, Erased},
        failure,
        operate::By,
    },
};

use crate::*;

on_both! {
    what_is_erased_is_known_by_its_id_alone
    what_is_unfinished_is_not_erased
    an_account_is_erased_wherever_it_stands
    an_account_with_a_name_like_sql_is_an_account
}

fn by() -> By {
    By {
        who: "cli:someone".parse().unwrap(),
        reason: "asked to; '; DROP TABLE keys; --".parse().unwrap(),
    }
}

async fn known(db: &DatabaseConnection, source: &str, id: &str) -> Known {
    let known = lifecycle::known(db, &source.parse().unwrap(), &named(id)).await;
    known.unwrap().unwrap()
}

async fn lines(db: &DatabaseConnection) -> Vec<audit::Model> {
    audit::Entity::find().all(db).await.unwrap()
}

async fn give_up(db: &DatabaseConnection, id: Uuid) {
    let (_, holder) = consumer(db).await;
    assert_eq!(take(db, holder, &[id]).await.mine, [id]);
    let record = Record {
        id,
        attempt: Some(Box::new(lifecycle::Attempt {
            id,
            number: 1,
            started_at: time::OffsetDateTime::now_utc(),
            took: Duration::from_millis(1),
            outcome: entity::Outcome::Refused,
            status: Some(400),
            error: Some("no account of Jane Doe".into()),
            retry_after: None,
        })),
        next: lifecycle::Transition::Failed {
            verdict: entity::Verdict::Permanent,
            reason: "no account of Jane Doe".into(),
        },
    };
    assert_eq!(record_all(db, holder, &[record]).await, 1);
}

async fn what_is_erased_is_known_by_its_id_alone(db: DatabaseConnection) {
    let sent = received(event("stripe", "e1", |_| ()));
    receive_one(&db, &sent).await;
    let other = event("stripe", "e1", |event| event.kind = None);
    assert_eq!(receive_one(&db, &received(other.clone())).await, CONFLICT);
    give_up(&db, sent.id).await;
    let known = known(&db, "stripe", "e1").await;
    let erased = erase::erase(&db, &known, &by()).await.unwrap();
    assert_eq!((erased.transactions, erased.unfinished), (1, 0));

    assert_eq!(transaction::Entity::find().count(&db).await.unwrap(), 0);
    assert_eq!(conflict::Entity::find().count(&db).await.unwrap(), 0);
    assert_eq!(lifecycle::payload(&db, sent.id).await.unwrap(), None);
    assert!(attempts(&db, sent.id).await.unwrap().is_empty());
    let failure = failure(&db, sent.id).await.unwrap().unwrap();
    assert_eq!(
        (failure.verdict, failure.reason.as_str()),
        (entity::Verdict::Permanent, "erased")
    );
    let status = Status::Failed;
    for (again, conflict) in [(event("stripe", "e1", |_| ()), false), (other, true)] {
        let receipt = receive_one(&db, &received(again)).await;
        assert_eq!(
            receipt,
            Receipt::Duplicate {
                id: ANY,
                status,
                conflict
            }
        );
    }
    let [line] = lines(&db).await.try_into().unwrap();
    assert_eq!((line.act.as_str(), line.count), ("erase", 1));
    assert_eq!(
        (line.who.as_str(), line.reason),
        ("cli:someone", by().reason.into())
    );
    assert_eq!(line.transaction_id, Some(named("e1")));
}

async fn what_is_unfinished_is_not_erased(db: DatabaseConnection) {
    receive_one(&db, &received(webhook("t1"))).await;
    let known = known(&db, "transactions", "t1").await;
    let erased = erase::erase(&db, &known, &by()).await.unwrap();
    assert_eq!((erased.transactions, erased.unfinished), (0, 1));
    assert!(find(&db, "t1").await.is_some());
    assert!(lines(&db).await.is_empty());
}

async fn an_account_is_erased_wherever_it_stands(db: DatabaseConnection) {
    let jane = |payment: &mut Payment| payment.source_account = "jane".parse().unwrap();
    let to_jane = |payment: &mut Payment| payment.destination_account = "jane".parse().unwrap();
    let batch = [
        with("pays", jane),
        with("receives", to_jane),
        with("unfinished", jane),
        webhook("other"),
    ]
    .map(received);
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let done = [batch[0].id, batch[1].id, batch[3].id];
    finish(&db, Holder::Sole, &done).await;
    let conflict = with("other", jane);
    receive_one(&db, &received(conflict)).await;
    let account = "jane".parse().unwrap();
    let count = erase::count_account(&db, &account, |_| ()).await;
    assert_eq!(count.unwrap(), 3);

    let mut told = Vec::new();
    let tell = |count| told.push(count);
    let erased = erase::erase_account(&db, &account, &by(), tell)
        .await
        .unwrap();
    assert_eq!(told, [2]);
    let expected = Erased {
        transactions: 2,
        unfinished: 1,
        conflicts: 1,
    };
    assert_eq!(erased, expected);
    for (id, is_there) in [
        ("pays", false),
        ("receives", false),
        ("unfinished", true),
        ("other", true),
    ] {
        assert_eq!(find(&db, id).await.is_some(), is_there, "{id}");
    }
    assert_eq!(conflict::Entity::find().count(&db).await.unwrap(), 0);
    let [line] = lines(&db).await.try_into().unwrap();
    assert_eq!((line.count, line.transaction_id), (2, None));
    assert!(!line.detail.unwrap().contains("jane"));
}

async fn an_account_with_a_name_like_sql_is_an_account(db: DatabaseConnection) {
    let name = "'; DROP TABLE keys; -- $1 \\ \"";
    let sent = received(with("t1", |payment| {
        payment.source_account = name.parse().unwrap()
    }));
    receive_one(&db, &sent).await;
    let other = received(with("'; DROP TABLE keys; --", |payment| {
        payment.source_account = name.parse().unwrap();
    }));
    receive_one(&db, &other).await;
    finish(&db, Holder::Sole, &[sent.id, other.id]).await;
    let erased = erase::erase_account(&db, &name.parse().unwrap(), &by(), |_| ())
        .await
        .unwrap();
    assert_eq!(erased.transactions, 2);
    assert_eq!(
        receive_one(&db, &received(webhook("t1"))).await,
        Receipt::Duplicate {
            id: ANY,
            status: Status::Processed,
            conflict: true,
        }
    );
}

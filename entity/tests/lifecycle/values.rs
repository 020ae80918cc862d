//! What goes in comes out, and what is impossible cannot be stored.

use sea_orm::ConnectionTrait as _;

use crate::*;

on_both! {
    every_amount_comes_back_equal
    texts_come_back_as_they_were
    a_row_that_breaks_a_rule_of_today_is_read
    the_database_refuses_an_impossible_state
}

/// A property of both databases: whatever amount goes in comes out, equal in value and of the same
/// text.
async fn every_amount_comes_back_equal(db: DatabaseConnection) {
    let handle = tokio::runtime::Handle::current();
    let amounts = prop::collection::vec(
        (-999_999_999_999_999_i64..=999_999_999_999_999, 0_u32..=9999),
        64,
    );
    let check = move |amounts: Vec<(i64, u32)>| {
        let batch: Vec<_> = amounts
            .iter()
            .map(|(whole, fraction)| {
                received(with(&Uuid::now_v7().to_string(), |payment| {
                    payment.amount = format!("{whole}.{fraction:04}").parse().unwrap();
                }))
            })
            .collect();
        handle.block_on(async {
            lifecycle::receive(&db, &batch, LATER).await.unwrap();
            for Received { webhook, .. } in &batch {
                let row = find(&db, webhook.transaction_id.as_ref()).await.unwrap();
                prop_assert_eq!(row.amount, webhook.amount());
                let texts =
                    [row.amount, webhook.amount()].map(|amount| amount.unwrap().to_string());
                prop_assert_eq!(&texts[0], &texts[1]);
            }
            Ok(())
        })
    };
    tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config {
            cases: 16,
            ..Config::default()
        });
        runner.run(&amounts, check).unwrap();
    })
    .await
    .unwrap();
}

async fn texts_come_back_as_they_were(db: DatabaseConnection) {
    for text in [
        "a'b\"c\\d",
        "₹ ünï 🦀",
        "{1,2}",
        "NULL",
        "  ",
        &"ü".repeat(255),
        "a,b",
    ] {
        let webhook = with(text, |payment| {
            payment.source_account = text.parse().unwrap()
        });
        receive_one(&db, &received(webhook.clone())).await;
        let row = find(&db, text).await.unwrap();
        let account = row.source_account.as_ref().map(AsRef::as_ref);
        assert_eq!(account, webhook.source_account());
        assert_eq!(row.transaction_id, webhook.transaction_id);
        let again = receive_one(&db, &received(webhook)).await;
        let conflict = false;
        let status = Status::Processing;
        assert_eq!(
            again,
            Receipt::Duplicate {
                id: ANY,
                status,
                conflict
            }
        );
    }
}

/// Another version may have accepted more.
async fn a_row_that_breaks_a_rule_of_today_is_read(db: DatabaseConnection) {
    receive_one(&db, &received(webhook("t1"))).await;
    let of_another_version = "UPDATE transactions SET source_account = '', currency = 'b'";
    db.execute_unprepared(of_another_version).await.unwrap();
    let row = find(&db, "t1").await.unwrap();
    assert_eq!(row.source_account.unwrap().as_ref(), "");
    assert_eq!(row.currency.unwrap().as_ref(), "b");
}

async fn the_database_refuses_an_impossible_state(db: DatabaseConnection) {
    receive_one(&db, &received(webhook("t1"))).await;
    for impossible in [
        "UPDATE transactions SET status = 'PROCESSED'",
        "UPDATE transactions SET processed_at = created_at",
        "UPDATE transactions SET status = 'LOST'",
        "UPDATE transactions SET amount = NULL",
    ] {
        let error = db.execute_unprepared(impossible).await.unwrap_err();
        assert!(lifecycle::refuses_the_data(&error), "{impossible}: {error}");
    }
}

//! Counts and exact sums.

use std::collections::BTreeMap;

use entity::lifecycle::summary::{self, Kind, PORTION, Total};

use crate::*;

on_both! {
    sums_are_exact_and_by_kind
    a_span_is_summed_portion_by_portion
}

async fn sum(db: &DatabaseConnection, mut range: Range) -> (BTreeMap<Kind, Total>, usize) {
    let (mut totals, mut portions) = (BTreeMap::new(), 1);
    while let Some(next) = summary::add(db, range, &mut totals).await.unwrap() {
        range.from = next;
        portions += 1;
    }
    (totals, portions)
}

fn kind(source: &str, currency: Option<&str>, status: Status) -> Kind {
    Kind {
        source: source.parse().unwrap(),
        currency: currency.map(|currency| currency.parse().unwrap()),
        status,
    }
}

async fn sums_are_exact_and_by_kind(db: DatabaseConnection) {
    let mut first = Uuid::nil();
    for (number, (amount, currency)) in [
        ("0.1", "INR"),
        ("0.2", "INR"),
        ("999999999999999.9999", "INR"),
        ("999999999999999.9999", "INR"),
        ("-0.0001", "INR"),
        ("5", "EUR"),
    ]
    .into_iter()
    .enumerate()
    {
        let sent = received(with(&format!("t{number}"), |payment| {
            payment.amount = amount.parse().unwrap();
            payment.currency = currency.parse().unwrap();
        }));
        receive_one(&db, &sent).await;
        first = if number == 0 { sent.id } else { first };
    }
    receive_one(&db, &received(event("stripe", "e1", |_| ()))).await;
    finish(&db, Holder::Sole, &[first]).await;
    let (totals, _) = sum(&db, ALL).await;
    let told: Vec<(&Kind, u64, String, u64)> = totals
        .iter()
        .map(|(kind, total)| (kind, total.count, total.sum.to_string(), total.with_amount))
        .collect();
    let processing = Status::Processing;
    let expected = [
        (kind("stripe", None, processing), 1, "0", 0),
        (kind("transactions", Some("EUR"), processing), 1, "5", 1),
        (
            kind("transactions", Some("INR"), processing),
            4,
            "2000000000000000.1997",
            4,
        ),
        (
            kind("transactions", Some("INR"), Status::Processed),
            1,
            "0.1",
            1,
        ),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((kind, count, sum, with_amount), expected) in told.into_iter().zip(&expected) {
        let is = (kind.clone(), count, sum.as_str(), with_amount);
        assert_eq!(is, *expected);
    }
}

async fn a_span_is_summed_portion_by_portion(db: DatabaseConnection) {
    let count = PORTION as usize + 10;
    let rows: Vec<Received> = (0..count)
        .map(|n| received(webhook(&n.to_string())))
        .collect();
    for batch in rows.chunks(1000) {
        lifecycle::receive(&db, batch, LATER).await.unwrap();
    }
    let (totals, portions) = sum(&db, ALL).await;
    assert_eq!(portions, 2);
    let totals: Vec<&Total> = totals.values().collect();
    let [total] = totals[..] else {
        panic!("{totals:?}")
    };
    assert_eq!(total.count, count as u64);
    assert_eq!(total.sum.to_string(), (1500 * count).to_string());
    // The end is not in the span.
    let range = Range {
        from: rows[1].id,
        to: rows[4].id,
    };
    let (totals, _) = sum(&db, range).await;
    assert_eq!(totals.values().map(|total| total.count).sum::<u64>(), 3);
}

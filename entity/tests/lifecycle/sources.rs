//! Events of any source.

use entity::{lifecycle::BODY_BYTES_READ, payload};
use sea_orm::ConnectionTrait as _;
use time::OffsetDateTime;

use crate::*;

on_both! {
    an_event_comes_back_byte_for_byte
    two_sources_may_use_the_same_id
    type_and_fields_make_a_conflict_and_bytes_do_not
    a_batch_of_payments_and_events_is_stored_together
    receiving_an_event_again_after_an_unknown_outcome_keeps_its_payload_once
    what_is_to_be_done_has_the_bytes
    a_long_body_is_left_until_somebody_asks_for_it
    what_has_lost_its_bytes_is_not_to_be_done
    an_id_whose_row_is_gone_is_still_known
    extra_members_are_kept_and_make_no_conflict
}

const DUPLICATE: Receipt = Receipt::Duplicate {
    id: ANY,
    status: Status::Processing,
    conflict: false,
};

async fn find_of(db: &DatabaseConnection, source: &str, id: &str) -> Option<transaction::Model> {
    lifecycle::find(db, &source.parse().unwrap(), &named(id))
        .await
        .unwrap()
}

/// Bytes of every value, more than a page, and what a text of the database would not hold.
fn all_bytes() -> Vec<u8> {
    (0..=255).cycle().take(20_000).collect()
}

async fn an_event_comes_back_byte_for_byte(db: DatabaseConnection) {
    let sent_at = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
    for (id, body) in [("e1", all_bytes()), ("e2", Vec::new())] {
        let sent = event("stripe", id, |event| {
            event.payload.body = body.clone();
            event.payload.headers = Some(r#"{"user-agent":"Stripe/1.0"}"#.into());
            event.payload.sent_at = Some(sent_at);
        });
        let first = received(sent);
        assert_eq!(receive_one(&db, &first).await, Receipt::New);
        let row = find_of(&db, "stripe", id).await.unwrap();
        assert_eq!(row.kind.unwrap().as_ref(), "charge.succeeded");
        assert_eq!((row.amount, row.currency), (None, None));
        let kept = lifecycle::payload(&db, first.id).await.unwrap().unwrap();
        let expected = payload::Model {
            id: first.id,
            content_type: Some("application/json".into()),
            headers: Some(r#"{"user-agent":"Stripe/1.0"}"#.into()),
            body,
            sent_at: Some(sent_at),
        };
        assert_eq!(kept, expected);
    }
}

async fn two_sources_may_use_the_same_id(db: DatabaseConnection) {
    for source in ["stripe", "acme"] {
        let receipt = receive_one(&db, &received(event(source, "evt_1", |_| ()))).await;
        assert_eq!(receipt, Receipt::New);
    }
    assert_eq!(
        receive_one(&db, &received(webhook("evt_1"))).await,
        Receipt::New
    );
    assert_eq!(outbox_count(&db).await, 3);
    assert!(find_of(&db, "github", "evt_1").await.is_none());
    assert_eq!(find(&db, "evt_1").await.unwrap().kind, None);
}

async fn type_and_fields_make_a_conflict_and_bytes_do_not(db: DatabaseConnection) {
    receive_one(&db, &received(event("stripe", "e1", |_| ()))).await;
    let others = event("stripe", "e1", |event| {
        event.payload.body = b"other bytes".to_vec();
        event.payload.content_type = None;
    });
    assert_eq!(receive_one(&db, &received(others)).await, DUPLICATE);
    let changes: [fn(&mut Event); 4] = [
        |event| event.kind = None,
        |event| event.fields.amount = Some(Amount::from(0)),
        |event| event.fields.source_account = Some("a".parse().unwrap()),
        |event| event.fields.destination_account = Some("a".parse().unwrap()),
    ];
    for change in changes {
        let other = event("stripe", "e1", change);
        assert_eq!(receive_one(&db, &received(other)).await, CONFLICT);
    }
    let kept = conflict::Entity::find().all(&db).await.unwrap();
    assert_eq!(kept.len(), 4);
    for conflict in kept {
        assert_eq!(conflict.source.as_ref(), "stripe");
        assert_eq!(conflict.body.unwrap(), br#"{"n":1.10}"#);
    }
}

async fn a_batch_of_payments_and_events_is_stored_together(db: DatabaseConnection) {
    let batch = [
        event("stripe", "e1", |_| ()),
        webhook("t1"),
        event("acme", "e1", |event| event.kind = None),
        event("stripe", "e1", |_| ()),
    ]
    .map(received);
    let receipts = receive_all(&db, &batch).await;
    let expected = [Receipt::New, Receipt::New, Receipt::New, DUPLICATE];
    assert_eq!(receipts, expected);
    assert_eq!(payload::Entity::find().count(&db).await.unwrap(), 2);
    assert_eq!(outbox_count(&db).await, 3);
}

async fn receiving_an_event_again_after_an_unknown_outcome_keeps_its_payload_once(
    db: DatabaseConnection,
) {
    let first = received(event("stripe", "e1", |_| ()));
    assert_eq!(receive_one(&db, &first).await, Receipt::New);
    assert_eq!(receive_one(&db, &first).await, Receipt::New);
    assert_eq!(payload::Entity::find().count(&db).await.unwrap(), 1);
    assert_eq!(outbox_count(&db).await, 1);
}

async fn what_is_to_be_done_has_the_bytes(db: DatabaseConnection) {
    let sent = [
        event("stripe", "e1", |event| {
            event.payload.body = all_bytes();
            event.fields.amount = Some("10.50".parse().unwrap());
            event.fields.currency = Some("EUR".parse().unwrap());
        }),
        with("t1", |payment| payment.extra = Some(r#"{"n":1.10}"#.into())),
    ];
    let batch = sent.clone().map(received);
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let ids: Vec<Uuid> = batch.iter().map(|received| received.id).collect();
    let jobs = lifecycle::jobs(&db, &ids).await.unwrap();
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        let sent = batch.iter().find(|received| received.id == job.id).unwrap();
        assert_eq!(job.webhook, sent.webhook);
    }
}

async fn a_long_body_is_left_until_somebody_asks_for_it(db: DatabaseConnection) {
    const MIB: usize = 1024 * 1024;
    for (id, length) in [
        ("e1", BODY_BYTES_READ),
        ("e2", BODY_BYTES_READ + 1),
        ("e3", 2 * MIB),
        ("e4", 2 * MIB + 1),
    ] {
        let body: Vec<u8> = all_bytes().into_iter().cycle().take(length).collect();
        let sent = received(event("stripe", id, |event| {
            event.payload.body = body.clone()
        }));
        receive_one(&db, &sent).await;
        let [job] = &lifecycle::jobs(&db, &[sent.id]).await.unwrap()[..] else {
            panic!("one job")
        };
        let is_long = length > BODY_BYTES_READ;
        assert_eq!(job.body_left, if is_long { length } else { 0 });
        let read = job.webhook.payload().unwrap().body.len();
        assert_eq!(read, if is_long { 0 } else { length });
        let kept = lifecycle::body(&db, sent.id, length).await.unwrap();
        assert!(kept == Some(body), "{length} bytes");
    }
    let nobody = lifecycle::body(&db, Uuid::now_v7(), 1).await.unwrap();
    assert_eq!(nobody, None);
}

async fn what_has_lost_its_bytes_is_not_to_be_done(db: DatabaseConnection) {
    let sent = received(event("stripe", "e1", |_| {}));
    receive_one(&db, &sent).await;
    db.execute_unprepared("DELETE FROM payloads").await.unwrap();
    assert!(lifecycle::jobs(&db, &[sent.id]).await.unwrap().is_empty());
}

async fn an_id_whose_row_is_gone_is_still_known(db: DatabaseConnection) {
    let batch = [webhook("t1"), webhook("t2")].map(received);
    lifecycle::receive(&db, &batch, LATER).await.unwrap();
    let (_, holder) = consumer(&db).await;
    let [done, failed] = [batch[0].id, batch[1].id];
    take(&db, holder, &[done, failed]).await;
    finish(&db, holder, &[done]).await;
    let given_up = Record {
        id: failed,
        attempt: None,
        next: lifecycle::Transition::Failed {
            verdict: entity::Verdict::Permanent,
            reason: "no".into(),
        },
    };
    record_all(&db, holder, &[given_up]).await;
    db.execute_unprepared("DELETE FROM transactions")
        .await
        .unwrap();
    for (id, status) in [("t1", Status::Processed), ("t2", Status::Failed)] {
        for (sent, conflict) in [
            (webhook(id), false),
            (with(id, |payment| payment.amount = Amount::from(1)), true),
        ] {
            let receipt = receive_one(&db, &received(sent)).await;
            assert_eq!(
                receipt,
                Receipt::Duplicate {
                    id: ANY,
                    status,
                    conflict
                }
            );
        }
    }
    assert_eq!(outbox_count(&db).await, 0);
}

async fn extra_members_are_kept_and_make_no_conflict(db: DatabaseConnection) {
    let extra = r#"{"note":"₹","n":1.10,"nul":"\u0000"}"#;
    let sent = with("t1", |payment| payment.extra = Some(extra.into()));
    receive_one(&db, &received(sent)).await;
    assert_eq!(find(&db, "t1").await.unwrap().extra.as_deref(), Some(extra));
    let other = with("t1", |payment| payment.extra = Some(r#"{"n":2}"#.into()));
    assert_eq!(receive_one(&db, &received(other)).await, DUPLICATE);
    assert_eq!(receive_one(&db, &received(webhook("t1"))).await, DUPLICATE);
}

/// What the migration has computed for rows of former versions is what this version computes.
#[tokio::test]
async fn a_fingerprint_is_what_it_always_was() {
    let payment = with("t1", |payment| payment.amount = "10.5".parse().unwrap());
    let of_payment = payment.fingerprint().simple().to_string();
    let text = "\u{1f}acc_user_1\u{1f}acc_merchant_1\u{1f}10.5000\u{1f}INR";
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let expected: String = hash.as_ref()[..16]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(of_payment, expected);
}

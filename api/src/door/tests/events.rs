//! What is stored of what came, and how it is looked up.

use super::*;

const PATH: &str = "/v1/sources/stripe/transactions/evt_1";

#[tokio::test]
async fn an_event_is_kept_byte_for_byte_and_a_repeat_is_answered_the_same() {
    let service = stripe().await;
    for _ in 0..2 {
        let answer = service.send("stripe", EVENT).await;
        assert_eq!((answer.status, answer.text()), (OK, ""));
        assert_eq!(answer.header("content-type"), None);
    }
    assert_eq!(service.count::<transaction::Entity>().await, 1);
    assert_eq!(service.count::<conflict::Entity>().await, 0);
    let found = service.get(PATH).await;
    assert_eq!(found.status, OK);
    assert!(
        found.text().contains(&format!("\"payload\":{EVENT}")),
        "{}",
        found.text()
    );
    let found = found.json();
    assert_eq!(found["source"], "stripe");
    assert_eq!(found["transaction_id"], "evt_1");
    assert_eq!(found["type"], "charge.succeeded");
    assert_eq!(found["status"], "PROCESSING");
    assert_eq!(found["sent_at"], "2024-01-15T10:29:59Z");
    assert_eq!(found["processed_at"], serde_json::Value::Null);
    for absent in ["amount", "currency", "extra", "failure", "payload_base64"] {
        assert!(found.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn its_bytes_can_be_had_and_no_browser_runs_them() {
    let service = stripe().await;
    let headers = service.signed_at("stripe", EVENT.as_bytes(), OffsetDateTime::now_utc());
    let mut headers = borrowed(&headers);
    headers.push(("content-type", "text/html; charset=utf-8"));
    headers.push(("x-request-id", "7"));
    headers.push(("authorization", "Bearer s3cret"));
    assert_eq!(service.post("stripe", &headers, EVENT).await.status, OK);
    let bytes = service.get(&format!("{PATH}/payload")).await;
    assert_eq!((bytes.status, bytes.text()), (OK, EVENT));
    assert_eq!(
        bytes.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(bytes.header("content-disposition"), Some("attachment"));
    assert_eq!(bytes.header("x-content-type-options"), Some("nosniff"));
    use sea_orm::EntityTrait as _;
    let kept = payload::Entity::find()
        .one(&service.db)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.headers.unwrap(), r#"{"x-request-id":"7"}"#);
    let attempts = service.get(&format!("{PATH}/attempts")).await;
    assert_eq!(attempts.json(), serde_json::json!({"attempts": []}));
}

#[tokio::test]
async fn what_is_no_json_is_shown_in_base64() {
    let settings = Settings {
        verify: Some(Verify::Header("X-Pass".into())),
        id: Some("header:X-Id".into()),
        ..Settings::default()
    };
    let service = Service::new([built("acme", &settings)]).await;
    let headers = [PASS[0], ("x-id", "a/b")];
    let answer = service.post("acme", &headers, &b"a=1&b=\xff"[..]).await;
    assert_eq!(answer.status, OK);
    let found = service
        .get("/v1/sources/acme/transactions/a%2Fb")
        .await
        .json();
    assert_eq!(found["payload_base64"], "YT0xJmI9/w==");
    assert!(found.get("payload").is_none());
    let bytes = service
        .get("/v1/sources/acme/transactions/a%2Fb/payload")
        .await;
    assert_eq!(bytes.body, b"a=1&b=\xff");
    assert_eq!(
        bytes.header("content-type"),
        Some("application/octet-stream")
    );
}

#[tokio::test]
async fn an_id_belongs_to_one_source() {
    let service = Service::new([sender("stripe", "stripe"), sender("other", "stripe")]).await;
    assert_eq!(service.send("stripe", EVENT).await.status, OK);
    for path in [
        "/v1/sources/other/transactions/evt_1",
        "/v1/sources/other/transactions/evt_1/payload",
        "/v1/sources/other/transactions/evt_1/attempts",
        "/v1/sources/nobody/transactions/evt_1",
        "/v1/sources/No%20Name/transactions/evt_1",
        "/v1/sources/stripe/transactions/evt_2",
        "/v1/sources/stripe/transactions/evt%00",
        "/v1/transactions/evt_1",
        "/v1/transactions/evt_1/attempts",
    ] {
        service.get(path).await.assert_problem(404);
    }
    assert_eq!(service.send("other", EVENT).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 2);
}

#[tokio::test]
async fn the_built_in_sources_transactions_can_be_looked_up_by_its_name_too() {
    let service = stripe().await;
    let body = r#"{"transaction_id":"t1","source_account":"a","destination_account":"b","amount":1.50,"currency":"INR","note":{"a":1.10}}"#;
    let json = [("content-type", "application/json")];
    assert_eq!(service.post("transactions", &json, body).await.status, 202);
    let found = service.get("/v1/transactions/t1").await;
    assert!(
        found.text().contains(r#""extra":{"note":{"a":1.10}}"#),
        "{}",
        found.text()
    );
    let by_name = service
        .get("/v1/sources/transactions/transactions/t1")
        .await;
    assert!(by_name.text().contains(r#""extra":{"note":{"a":1.10}}"#));
    assert_eq!(by_name.json()["source"], "transactions");
    let bytes = service
        .get("/v1/sources/transactions/transactions/t1/payload")
        .await;
    bytes.assert_problem(404);
}

#[tokio::test]
async fn a_batch_is_stored_as_a_whole_each_event_with_its_own_bytes() {
    let service = Service::new([batches()]).await;
    let body = r#"{"events":[{"id":"a","type":"x"}, {"id":"b", "n":1.10}]}"#;
    assert_eq!(service.post("batches", &PASS, body).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 2);
    let b = service
        .get("/v1/sources/batches/transactions/b/payload")
        .await;
    assert_eq!(b.text(), r#"{"id":"b", "n":1.10}"#);
    // One of them is new.
    let more = r#"{"events":[{"id":"b", "n":1.10},{"id":"c"}]}"#;
    assert_eq!(service.post("batches", &PASS, more).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 3);
}

#[tokio::test]
async fn of_a_batch_with_one_bad_item_nothing_is_stored() {
    let service = Service::new([batches()]).await;
    for body in [
        r#"{"events":[{"id":"a"},{"id":""}]}"#,
        r#"{"events":[{"id":"a"},{}]}"#,
        r#"{"events":[{"id":"a"},7]}"#,
        r#"{"events":[{"id":"a"}],"events":{}}"#,
        r#"{"events":[{"id":"a"}]"#,
        "{}",
    ] {
        let answer = service.post("batches", &PASS, body).await;
        assert_eq!((answer.status, answer.text()), (422, ""), "{body}");
    }
    service.assert_empty().await;
    let many: Vec<String> = (0..1001).map(|n| format!("{{\"id\":\"{n}\"}}")).collect();
    let too_many = format!("{{\"events\":[{}]}}", many.join(","));
    assert_eq!(service.post("batches", &PASS, too_many).await.status, 422);
    service.assert_empty().await;
    let most = format!("{{\"events\":[{}]}}", many[..1000].join(","));
    assert_eq!(service.post("batches", &PASS, most).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 1000);
}

#[tokio::test]
async fn a_batch_of_nothing_is_answered_and_stores_nothing() {
    let service = Service::new([batches()]).await;
    let answer = service.post("batches", &PASS, r#"{"events":[]}"#).await;
    assert_eq!((answer.status, answer.text()), (OK, ""));
    service.assert_empty().await;
}

#[tokio::test]
async fn an_event_of_the_same_id_twice_in_one_batch_is_one() {
    let service = Service::new([batches()]).await;
    let body = r#"{"events":[{"id":"a"},{"id":"a"}]}"#;
    assert_eq!(service.post("batches", &PASS, body).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 1);
}

#[tokio::test]
async fn fields_are_kept_as_far_as_they_can_be() {
    use source::{AmountUnit, FieldSettings};
    let fields = FieldSettings {
        source_account: Some("json:/from".into()),
        destination_account: Some("json:/to".into()),
        amount: Some("json:/amount".into()),
        amount_unit: Some(AmountUnit::Minor),
        currency: Some("json:/currency".into()),
    };
    let settings = Settings {
        verify: Some(Verify::Header("X-Pass".into())),
        id: Some("json:/id".into()),
        fields: Some(fields),
        ..Settings::default()
    };
    let service = Service::new([built("acme", &settings)]).await;
    for (id, members, amount) in [
        (
            "a",
            r#""from":"me","to":"you","amount":1050,"currency":"usd""#,
            Some("10.5"),
        ),
        (
            "b",
            r#""from":"","to":"you","amount":99999999999999999999,"currency":"usd""#,
            None,
        ),
        (
            "c",
            r#""from":7,"to":"you","amount":"x","currency":"dollars""#,
            None,
        ),
    ] {
        let body = format!("{{\"id\":\"{id}\",{members}}}");
        assert_eq!(service.post("acme", &PASS, body).await.status, OK, "{id}");
        let found = service
            .get(&format!("/v1/sources/acme/transactions/{id}"))
            .await;
        let shown = amount.map(|amount| format!("\"amount\":{amount},"));
        match shown {
            Some(shown) => assert!(found.text().contains(&shown), "{}", found.text()),
            None => assert!(found.json().get("amount").is_none(), "{}", found.text()),
        }
        assert_eq!(found.json()["destination_account"], "you");
    }
}

#[tokio::test]
async fn an_event_without_an_id_is_one_of_its_own_where_its_source_says_so() {
    let settings = Settings {
        verify: Some(Verify::Header("X-Pass".into())),
        on_missing_id: Some(source::MissingId::Unique),
        ..Settings::default()
    };
    let service = Service::new([built("acme", &settings)]).await;
    for _ in 0..2 {
        assert_eq!(service.post("acme", &PASS, "{}").await.status, OK);
    }
    assert_eq!(service.count::<transaction::Entity>().await, 2);
}

#[tokio::test]
async fn an_id_that_no_column_holds_is_known_by_its_hash() {
    let service = stripe().await;
    for id in [&"x".repeat(300)[..], "a\\u0000b", "a\\nb"] {
        let body = format!("{{\"id\":\"{id}\"}}");
        for _ in 0..2 {
            assert_eq!(service.send("stripe", body.clone()).await.status, OK);
        }
    }
    assert_eq!(service.count::<transaction::Entity>().await, 3);
}

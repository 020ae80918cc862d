//! What is not proven.

use super::*;

#[tokio::test]
async fn what_is_forged_is_refused_and_claims_nothing() {
    let service = stripe().await;
    let now = OffsetDateTime::now_utc();
    let good = service.signed_at("stripe", EVENT.as_bytes(), now);
    let (name, value) = (good[0].0.as_str(), good[0].1.as_str());
    let old = value.replace("v1=", "v0=");
    let (time, mac) = value.split_once(",v1=").unwrap();
    let zoo = [
        old,
        format!("t=,v1={mac}"),
        format!("t,v1=,v0={mac}"),
        "t,,".into(),
        ",,".into(),
        "t".into(),
        String::new(),
        format!("t=99999999999999999999,v1={mac}"),
        format!("v1={mac}"),
        format!("{time},v1={}", "0".repeat(64)),
        format!("{time},v1=ü"),
        "x".repeat(8000),
    ];
    for value in &zoo {
        let answer = service.post("stripe", &[(name, value)], EVENT).await;
        assert_eq!((answer.status, answer.text()), (401, ""), "{value:.80}");
        assert_eq!(answer.header("content-type"), None);
    }
    assert_eq!(service.post("stripe", &[], EVENT).await.status, 401);
    let twice = [(name, value), (name, value)];
    let changed = EVENT.replace("1.10", "1.1");
    assert_eq!(service.post("stripe", &twice, changed).await.status, 401);
    let with_newline = format!("{EVENT}\n");
    assert_eq!(
        service
            .post("stripe", &twice[..1], with_newline)
            .await
            .status,
        401
    );
    service.assert_empty().await;
    assert_eq!(service.post("stripe", &twice[..1], EVENT).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 1);
}

#[tokio::test]
async fn what_is_from_another_time_is_refused_and_the_ledger_says_how_far() {
    let service = stripe().await;
    let now = OffsetDateTime::now_utc();
    for (age, status) in [(302, 401), (-302, 401), (298, OK), (-298, OK)] {
        let signed = service.signed_at("stripe", EVENT.as_bytes(), now - Duration::seconds(age));
        let answer = service.post("stripe", &borrowed(&signed), EVENT).await;
        assert_eq!(answer.status, status, "{age}");
    }
    let ledger = service.ledger(2).await;
    assert_eq!(ledger.len(), 2);
    let expected = Refusal::new("stripe".parse().unwrap(), "stale", None, EVENT.as_bytes());
    for line in &ledger {
        assert_eq!(
            (line.source.as_ref(), line.reason.as_str()),
            ("stripe", "stale")
        );
        assert_eq!((line.size, &line.hash), (expected.size, &expected.hash));
    }
    let skews: Vec<_> = ledger.iter().map(|line| line.skew_s.unwrap()).collect();
    assert!(
        (301..=304).contains(&skews[0]) && (-304..=-300).contains(&skews[1]),
        "{skews:?}"
    );
}

#[tokio::test]
async fn what_is_proven_and_has_no_id_is_refused_as_that() {
    let service = stripe().await;
    for body in [
        r#"{"type":"x"}"#,
        r#"{"id":"","type":"x"}"#,
        r#"{"id":" "}"#,
        r#"{"id":null}"#,
        "null",
        "[]",
        "1",
        "no JSON",
        "",
    ] {
        let answer = service.send("stripe", body).await;
        assert_eq!((answer.status, answer.text()), (422, ""), "{body}");
    }
    service.assert_empty().await;
    let ledger = service.ledger(1).await;
    assert_eq!(ledger[0].reason, "unreadable");
    service.assert_well("stripe").await;
}

#[tokio::test]
async fn a_signature_over_another_address_is_refused() {
    let service = Service::new([sender("square", "square")]).await;
    let body = r#"{"event_id":"e1","type":"x"}"#;
    let here = service.signed_at("square", body.as_bytes(), OffsetDateTime::now_utc());
    let elsewhere = sender("square", "square");
    let elsewhere = elsewhere.source.sign(&source::Request {
        method: "POST",
        url: "https://hooks.example.com/in/here/",
        query: "",
        headers: &[],
        body: body.as_bytes(),
        now: OffsetDateTime::now_utc(),
    });
    let elsewhere = elsewhere.unwrap();
    assert_eq!(
        service
            .post("square", &borrowed(&elsewhere), body)
            .await
            .status,
        401
    );
    // The query is a part of the address.
    assert_eq!(
        service
            .post("square?a=b", &borrowed(&here), body)
            .await
            .status,
        401
    );
    assert_eq!(
        service.post("square", &borrowed(&here), body).await.status,
        OK
    );
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_and_ten_lines_a_second_are_written() {
    let service = stripe().await;
    for _ in 0..500 {
        assert_eq!(service.post("stripe", &[], EVENT).await.status, 401);
    }
    let ledger = service.ledger(10).await;
    assert!((10..=30).contains(&ledger.len()), "{}", ledger.len());
    assert!(ledger.iter().all(|line| line.reason == "missing_header"));
    service.assert_well("stripe").await;
}

#[tokio::test]
async fn the_built_in_source_can_be_given_a_secret() {
    let service = Service::new([sender("transactions", "stripe")]).await;
    let body = r#"{"transaction_id":"t1","source_account":"a","destination_account":"b","amount":1,"currency":"INR"}"#;
    let json = ("content-type", "application/json");
    let answer = service.post("transactions", &[json], body).await;
    answer.assert_problem(401);
    assert_eq!(answer.header("connection"), None, "the body has been read");
    // Nothing is told of what is in it.
    let answer = service.post("transactions", &[json], "no JSON").await;
    answer.assert_problem(401);
    service.assert_empty().await;
    let signed = service.signed_at("transactions", body.as_bytes(), OffsetDateTime::now_utc());
    let mut headers = borrowed(&signed);
    headers.push(json);
    let answer = service.post("transactions", &headers, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["transaction_id"], "t1");
    let ledger = service.ledger(2).await;
    assert_eq!(ledger[0].source.as_ref(), "transactions");
}

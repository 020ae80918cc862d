//! The way to the verdict, and what a sender is answered.

use super::*;
use crate::lane::Lane;

/// A body that never comes.
fn never() -> Body {
    Body::from_bytes_stream(futures::stream::pending::<std::io::Result<Vec<u8>>>())
}

#[tokio::test]
async fn a_source_that_nobody_knows_is_not_found_and_its_body_not_read() {
    let service = stripe().await;
    for path in ["nobody", "%ff", "Stripe"] {
        let headers = [("content-encoding", "gzip"), ("content-length", "5")];
        let path = format!("/v1/webhooks/{path}");
        let answer = service
            .ask(request(Method::POST, &path, &headers, never()))
            .await;
        answer.assert_problem(404);
        assert_eq!(answer.header("connection"), Some("close"));
    }
    service.get("/v1/webhooks/nobody").await.assert_problem(404);
    service.get("/v1/webhooks").await.assert_problem(404);
    service
        .get("/v1/webhooks/stripe/more")
        .await
        .assert_problem(404);
    service.assert_empty().await;
    service.assert_well("stripe").await;
}

#[tokio::test]
async fn a_path_is_the_same_however_it_is_spelled() {
    let service = stripe().await;
    let headers = service.signed_at("stripe", EVENT.as_bytes(), OffsetDateTime::now_utc());
    for source in ["stripe/", "/stripe", "str%69pe", "stripe?a=b"] {
        let answer = service.post(source, &borrowed(&headers), EVENT).await;
        assert_eq!(answer.status, OK, "{source}");
    }
    assert_eq!(service.count::<transaction::Entity>().await, 1);
}

#[tokio::test]
async fn the_built_in_source_is_no_other_source() {
    let service = Service::new([sender("transactions", "stripe")]).await;
    let answer = service.post("transaction%73", &[], "{}").await;
    answer.assert_problem(404);
}

#[tokio::test]
async fn a_body_that_is_coded_or_too_long_is_refused_and_says_so() {
    let service = stripe().await;
    let answer = service
        .post("stripe", &[("content-encoding", "gzip")], EVENT)
        .await;
    answer.assert_problem(415);
    assert_eq!(answer.header("accept-encoding"), Some("identity"));
    let most = vec![b' '; 256 * 1024];
    assert_eq!(service.post("stripe", &[], most.clone()).await.status, 401);
    let longer = [&most[..], b" "].concat();
    let answer = service.post("stripe", &[], longer).await;
    answer.assert_problem(413);
    assert!(answer.text().contains("262144 bytes"), "{}", answer.text());
    service.assert_empty().await;
    service.assert_well("stripe").await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = stripe().await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let answer = service
        .ask(request(Method::POST, "/v1/webhooks/stripe", &[], never()))
        .await;
    answer.assert_problem(408);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn long_bodies_have_no_more_memory_than_there_is() {
    let service = stripe().await;
    let lane = Lane::of("stripe");
    let mut others = Vec::new();
    for bytes in [1 << 20, 80 * 1024] {
        let mut other = service.ways.space.place(lane);
        while other.grow(bytes) {
            others.push(other);
            other = service.ways.space.place(lane);
        }
    }
    let long = vec![b' '; 250 * 1024];
    let answer = service.post("stripe", &[], long.clone()).await;
    answer.assert_problem(503);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("connection"), Some("close"));
    service.assert_well("stripe").await;
    drop(others);
    assert_eq!(service.post("stripe", &[], long).await.status, 401);
}

#[tokio::test]
async fn any_content_type_will_do() {
    let service = stripe().await;
    for (n, content_type) in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!("{{\"id\":\"evt_{n}\"}}");
        let mut headers = service.signed_at("stripe", body.as_bytes(), OffsetDateTime::now_utc());
        headers.push(("content-type".into(), content_type.into()));
        let answer = service.post("stripe", &borrowed(&headers), body).await;
        assert_eq!(answer.status, OK, "{content_type}");
    }
}

#[tokio::test]
async fn another_method_is_405_and_names_the_right_one() {
    let service = stripe().await;
    const ALL: &str = "GET, HEAD, POST, OPTIONS";
    for (method, allowed) in [
        (Method::GET, "POST"),
        (Method::HEAD, "POST"),
        (Method::PUT, ALL),
        (Method::DELETE, ALL),
    ] {
        let request = request(method.clone(), "/v1/webhooks/stripe", &[], Body::empty());
        let answer = service.ask(request).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method}");
    }
    let options = request(Method::OPTIONS, "/v1/webhooks/stripe", &[], Body::empty());
    let answer = service.ask(options).await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some(ALL)));
    assert_eq!(
        service.count::<refusal::Entity>().await,
        0,
        "nothing was to be proven"
    );
}

#[tokio::test]
async fn questions_are_answered_and_nothing_is_stored() {
    let service = Service::new([
        sender("dropbox", "dropbox"),
        sender("meta", "meta"),
        sender("trello", "mandrill"),
        sender("xero", "xero"),
    ])
    .await;
    let answer = service.get("/v1/webhooks/dropbox?challenge=abc").await;
    assert_eq!((answer.status, answer.text()), (OK, "abc"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));

    let asks = |token| {
        format!(
            "/v1/webhooks/meta?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444"
        )
    };
    let answer = service.get(&asks("verify-me")).await;
    assert_eq!((answer.status, answer.text()), (OK, "1158201444"));
    let answer = service.get(&asks("wrong")).await;
    assert_eq!((answer.status, answer.text()), (403, ""));

    let head = request(Method::HEAD, "/v1/webhooks/trello", &[], Body::empty());
    assert_eq!(service.ask(head).await.status, OK);

    let none = r#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S"}"#;
    let answer = service.send("xero", none).await;
    assert_eq!((answer.status, answer.text()), (OK, ""));
    let answer = service
        .post("xero", &[("x-xero-signature", "AAAA")], none)
        .await;
    assert_eq!((answer.status, answer.text()), (401, ""));
    assert_eq!(answer.header("content-type"), None);
    service.assert_empty().await;
}

#[tokio::test]
async fn a_sender_is_answered_in_its_own_words() {
    let settings = Settings {
        verify: Some(Verify::Header("X-Pass".into())),
        id: Some("json:/id".into()),
        answer: Some(source::Answer {
            status: 201,
            content_type: Some("application/json".into()),
            body: "{\"ok\":true}".into(),
        }),
        ..Settings::default()
    };
    let service = Service::new([built("acme", &settings)]).await;
    for _ in 0..2 {
        let answer = service.post("acme", &PASS, r#"{"id":"1"}"#).await;
        assert_eq!((answer.status, answer.text()), (201, "{\"ok\":true}"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(service.count::<transaction::Entity>().await, 1);
}

/// Many a sender never repeats what is answered with a 4xx.
#[tokio::test]
async fn a_database_that_hangs_is_our_trouble_and_not_the_senders() {
    use sea_orm::TransactionTrait as _;
    let service = stripe().await;
    let held = service.db.begin().await.unwrap();
    let answer = service.send("stripe", EVENT).await;
    answer.assert_problem(503);
    let wait: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
    held.rollback().await.unwrap();
    assert_eq!(service.send("stripe", EVENT).await.status, OK);
    assert_eq!(service.count::<transaction::Entity>().await, 1);
}

#[tokio::test]
async fn what_the_database_will_not_have_is_our_trouble_too() {
    use sea_orm::ConnectionTrait as _;
    let service = stripe().await;
    let refuses =
        "CREATE TRIGGER refuses BEFORE INSERT ON transactions BEGIN SELECT RAISE(ABORT, 'no'); END";
    service.db.execute_unprepared(refuses).await.unwrap();
    service.send("stripe", EVENT).await.assert_problem(503);
}

//! What downstream receives.

use std::sync::Arc;

use entity::Outcome;
use http_body_util::BodyExt as _;
use hyper::{Response, header::AUTHORIZATION};
use time::OffsetDateTime;

use super::{
    super::{Address, Downstream, Secret, Settings, request},
    LONG, SECRET, downstream, job, payment,
    server::Server,
    settings,
};

#[tokio::test]
async fn downstream_receives_the_transaction_and_what_tells_attempts_apart() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = Downstream::new(settings(
        format!("http://{}/hook?a=b%20c", server.place),
        LONG,
    ));
    let mut job = Arc::unwrap_or_clone(job("t1"));
    job.attempt = 3;
    let id = job.id;
    let attempt = downstream.unwrap().call(job.into(), None).await.attempt;
    assert_eq!(attempt.outcome, Outcome::Succeeded);
    assert_eq!(
        (attempt.id, attempt.number, attempt.status),
        (id, 3, Some(200))
    );
    assert_eq!((attempt.error, attempt.retry_after), (None, None));

    let seen = &server.requests()[0];
    assert_eq!(seen.head.method, "POST");
    assert_eq!(seen.head.uri, "/hook?a=b%20c");
    assert_eq!(
        seen.body,
        r#"{"transaction_id":"t1","source_account":"a","destination_account":"b","amount":10.5,"currency":"INR"}"#
    );
    let hookline = format!("hookline/{}", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("host", server.place.as_str()),
        ("content-type", "application/json"),
        ("user-agent", &hookline),
        ("idempotency-key", "t1"),
        ("hookline-attempt", "3"),
        ("content-length", &seen.body.len().to_string()),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(seen.head.headers.len(), 6, "{:?}", seen.head.headers);
}

#[tokio::test]
async fn downstream_is_told_which_span_a_call_is() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = downstream(&server.place, LONG);
    let told = "00-0193a4c87b1e7d3f8a526f0e9c4b2d17-00f067aa0ba902b7-01";
    downstream.call(job("t1"), Some(told.into())).await;
    downstream.call(job("t2"), None).await;
    let seen = server.requests();
    assert_eq!(seen[0].header("traceparent"), Some(told));
    assert_eq!(seen[1].header("traceparent"), None);
}

#[tokio::test]
async fn a_replay_is_marked_and_has_the_same_key() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = downstream(&server.place, LONG);
    let mut replay = Arc::unwrap_or_clone(job("t1"));
    (replay.replay, replay.attempt) = (true, 2);
    for (job, marked) in [(job("t1"), None), (replay.into(), Some("true"))] {
        downstream.call(job, None).await;
        let seen = &server.requests()[0];
        assert_eq!(seen.header("hookline-replay"), marked);
        assert_eq!(seen.header("idempotency-key"), Some("t1"));
    }
}

#[tokio::test]
async fn an_amount_arrives_digit_by_digit() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = downstream(&server.place, LONG);
    for (amount, digits) in [
        ("999999999999999.9999", "999999999999999.9999"),
        ("-999999999999999.9999", "-999999999999999.9999"),
        ("0.1000", "0.1"),
        ("1500", "1500"),
        ("-0.0", "0"),
    ] {
        let job = payment("t1", |payment| payment.amount = amount.parse().unwrap());
        downstream.call(job, None).await;
        let seen = &server.requests()[0];
        let body = seen.text();
        assert!(body.contains(&format!(r#""amount":{digits},"#)), "{body}");
    }
}

/// What `extra` makes of the body, from the last of the five members on.
async fn body_with(extra: &str) -> String {
    let server = Server::start(|_| Response::default()).await;
    let job = payment("t1", |payment| payment.extra = Some(extra.to_owned()));
    let attempt = downstream(&server.place, LONG)
        .call(job, None)
        .await
        .attempt;
    assert_eq!(attempt.outcome, Outcome::Succeeded, "{attempt:?}");
    let seen = &server.requests()[0];
    assert_eq!(seen.header("idempotency-key"), Some("t1"));
    let five = r#"{"transaction_id":"t1","source_account":"a","destination_account":"b","amount":10.5,"currency":"INR""#;
    seen.text().strip_prefix(five).unwrap().to_owned()
}

#[tokio::test]
async fn the_other_members_follow_the_five_as_they_were_sent() {
    for (extra, told) in [
        ("{}", "}"),
        (
            r#"{"z":1.10,"a":{"n":[1e400, -0]},"note":"\u00fc€\n"}"#,
            r#","z":1.10,"a":{"n":[1e400, -0]},"note":"\u00fc€\n"}"#,
        ),
        (
            "{ \"n\" : 123456789012345678901234567890.10 ,\n\"n\":null}",
            r#","n":123456789012345678901234567890.10,"n":null}"#,
        ),
    ] {
        assert_eq!(body_with(extra).await, told, "{extra}");
    }
}

#[tokio::test]
async fn no_other_member_stands_in_for_one_of_the_five() {
    let extra = r#"{"amount":1,"Amount":1,"AMOUNT":1,"\u0061mount":1,"currency":"EUR","\u017fource_account":"x","amounts":2}"#;
    assert_eq!(body_with(extra).await, r#","amounts":2}"#);
}

#[tokio::test]
async fn different_ids_never_become_one_key() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = downstream(&server.place, LONG);
    let longest = "€".repeat(255);
    for (id, key) in [
        ("t1", "t1"),
        ("t1 ", "t1%20"),
        (" t1", "%20t1"),
        ("t1%20", "t1%2520"),
        ("t1\u{a0}", "t1%C2%A0"),
        ("ü\"{}/?#", "%C3%BC\"{}/?#"),
        (&longest, &"%E2%82%AC".repeat(255)),
        ("a b:c", "a%20b:c"),
        // Otherwise it would be the key of what a source of this name calls evt_1.
        ("stripe:evt_1:2", "stripe%3Aevt_1:2"),
    ] {
        let attempt = downstream.call(job(id), None).await.attempt;
        assert_eq!(attempt.outcome, Outcome::Succeeded, "{attempt:?}");
        let seen = &server.requests()[0];
        assert_eq!(seen.header("idempotency-key"), Some(key));
        let body: serde_json::Value = serde_json::from_str(seen.text()).unwrap();
        assert_eq!(body["transaction_id"], *id);
    }
}

/// The signature is openssl's: `printf '%s' ID.1700000000.BODY | openssl dgst -sha256 -mac HMAC -macopt
/// hexkey:KEY -binary | base64`, where KEY is what follows `whsec_`, decoded and written in hexadecimal.
#[tokio::test]
async fn a_secret_signs_id_time_and_body() {
    let address = Address::parse("http://localhost/hook").unwrap();
    let secret = Secret::parse(SECRET).unwrap();
    let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let job = payment("t1", |payment| {
        payment.amount = "-999999999999999.9999".parse().unwrap();
    });
    let mut job = Arc::unwrap_or_clone(job);
    job.id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let id = job.id.to_string();
    let request = request::build((&address, Some(&secret)), &job.into(), now, None).unwrap();
    let header = |name| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-id"), id);
    assert_eq!(header("webhook-timestamp"), "1700000000");
    assert_eq!(
        header("webhook-signature"),
        "v1,bttXTNi8rRBSAnIjWtfOP/pqV25fzfesOreoQSN5hjg="
    );
    let body = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        body,
        r#"{"transaction_id":"t1","source_account":"a","destination_account":"b","amount":-999999999999999.9999,"currency":"INR"}"#
    );
}

#[tokio::test]
async fn every_attempt_is_signed_with_its_own_time_and_the_same_id() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = Downstream::new(Settings {
        secret: Some(SECRET.into()),
        ..settings(format!("http://{}/", server.place), LONG)
    })
    .unwrap();
    let job = job("t1");
    let id = job.id;
    let attempt = downstream.call(job, None).await.attempt;
    let seen = &server.requests()[0];
    let signature = Secret::parse(SECRET)
        .unwrap()
        .sign(id, attempt.started_at, &seen.body);
    let time = attempt.started_at.unix_timestamp().to_string();
    assert_eq!(seen.header("webhook-id"), Some(id.to_string().as_str()));
    assert_eq!(seen.header("webhook-timestamp"), Some(time.as_str()));
    assert_eq!(seen.header("webhook-signature"), Some(signature.as_str()));
}

#[tokio::test]
async fn a_user_and_a_password_in_the_url_log_in_and_are_told_nobody() {
    let server = Server::start(|_| {
        let mut response = Response::default();
        *response.status_mut() = hyper::StatusCode::UNAUTHORIZED;
        response
    })
    .await;
    let url = format!("http://user:hunter2@{}/?token=hunter3", server.place);
    let downstream = Downstream::new(settings(url, LONG)).unwrap();
    let attempt = downstream.call(job("t1"), None).await.attempt;
    let seen = &server.requests()[0];
    assert_eq!(seen.head.headers[AUTHORIZATION], "Basic dXNlcjpodW50ZXIy");
    assert_eq!(seen.header("host"), Some(server.place.as_str()));
    let told = format!("{downstream:?} {attempt:?}");
    assert!(told.contains("answered 401 Unauthorized"), "{told}");
    assert!(!told.contains("hunter"), "{told}");
}

#[tokio::test]
async fn calls_share_a_connection() {
    let server = Server::start(|_| Response::default()).await;
    let downstream = downstream(&server.place, LONG);
    for _ in 0..2 {
        downstream.clone().call(job("t1"), None).await;
    }
    let connections: Vec<usize> = (server.requests().iter())
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(connections, [0, 0]);
}

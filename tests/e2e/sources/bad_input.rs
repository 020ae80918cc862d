//! Every bad input gets its answer, stores nothing, and does the process no harm: afterwards a genuine event goes through.

use std::time::{Duration, Instant};

use entity::refusal;
use reqwest::Method;
use sea_orm::EntityTrait as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::scene::{Headers, Sender, assert_refused, post, with_file, with_stripe};
use crate::{
    bad_input::problem,
    faults::until,
    harness::{Harness, on_both},
    processes::SOON,
};

on_both! {
    what_is_forged_is_401
    what_is_from_another_time_is_401_and_the_log_says_how_far
    what_has_no_id_is_422
    an_odd_id_is_an_id
    of_a_batch_with_one_bad_item_nothing_is_stored
    a_signature_over_another_address_is_401
    a_source_that_nobody_knows_is_404
    another_method_is_405
    a_body_that_is_coded_is_415_and_one_that_is_too_long_413
    a_body_in_chunks_is_taken_and_one_that_is_asked_for_first
    the_log_says_what_an_operator_may_have_done_wrong
}

const EVENT: &str = r#"{"id":"evt_1","type":"charge.succeeded","created":1790000000}"#;

async fn start(harness: &mut Harness) -> (String, Sender) {
    with_stripe(harness);
    (harness.start("").await.url(), Sender::stripe())
}

async fn what_is_forged_is_401(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    let headers = stripe.sign(EVENT.as_bytes(), 0);
    let name = headers[0].0.clone();
    let (time, mac) = headers[0].1.split_once(",v1=").unwrap();
    let mut zoo: Vec<Headers> = [
        format!("{time},v0={mac}"),
        format!("t=,v1={mac}"),
        format!("t,v1=,v0={mac}"),
        "t,,".into(),
        ",,".into(),
        "t".into(),
        String::new(),
        format!("t=99999999999999999999,v1={mac}"),
        format!("t=+1,v1={mac}"),
        format!("v1={mac}"),
        format!("{time},v1={}", "0".repeat(64)),
        "v1=".repeat(5000),
    ]
    .into_iter()
    .map(|value| vec![(name.clone(), value)])
    .collect();
    zoo.push(Vec::new());
    let good_and_other = vec![
        headers[0].clone(),
        (name.clone(), format!("t=1,v1={}", "0".repeat(64))),
    ];
    for headers in &zoo {
        let answer = post(harness, &api, "stripe", headers, EVENT).await;
        assert_refused(answer, 401, &format!("{headers:.120?}")).await;
    }
    for changed in [
        format!("{EVENT}\n"),
        EVENT.replace("evt_1", "evt_2"),
        String::new(),
    ] {
        let answer = post(harness, &api, "stripe", &headers, changed.clone()).await;
        assert_refused(answer, 401, &changed).await;
    }
    // Each value is a list of its own, and one that proves is enough.
    let answer = post(harness, &api, "stripe", &good_and_other, EVENT).await;
    assert_eq!(answer.status(), 200);
    let not_ascii = format!(
        "POST /v1/webhooks/stripe HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         stripe-signature: {time},v1=ü{mac}\r\n\r\n{EVENT}",
        EVENT.len()
    );
    let answer = raw(&api, not_ascii.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(harness.rows().await, 1);
    stripe.assert_well(harness, &api).await;
}

const REFUSED: &str = "event=\"webhook_refused\"";

/// Waits until the log says this: nothing waits for the log.
async fn logged(harness: &Harness, words: &str) {
    let is_logged = async || harness.running_log().contains(words);
    until(is_logged, || {
        format!("no {words}: {}", harness.running_log())
    })
    .await;
}

/// What comes back on a connection that ends with it, when the machine has time for it.
async fn raw(api: &str, request: &[u8]) -> String {
    loop {
        let answer = raw_once(api, request).await;
        if !answer.starts_with("HTTP/1.1 503 ") {
            return answer;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn raw_once(api: &str, request: &[u8]) -> String {
    let address = api.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

async fn what_is_from_another_time_is_401_and_the_log_says_how_far(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    // A second to spare, for the way.
    for (seconds_ago, status) in [(302, 401), (298, 200), (-298, 200), (-302, 401)] {
        let headers = stripe.sign(EVENT.as_bytes(), seconds_ago);
        let answer = post(harness, &api, "stripe", &headers, EVENT).await;
        assert_eq!(answer.status(), status, "{seconds_ago}");
    }
    logged(harness, "reason=\"stale\" skew=-30").await;
    let log = harness.running_log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(REFUSED)).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("reason=\"stale\" skew=30"), "{log}");
    assert!(lines[1].contains("reason=\"stale\" skew=-30"), "{log}");
    assert!(
        !log.contains("whsec_test_secret") && !log.contains("v1="),
        "{log}"
    );
    let db = harness.database().await;
    let in_ledger = async || refusal::Entity::find().all(&db).await.unwrap().len() == 2;
    until(in_ledger, || "no lines in the ledger".into()).await;
    stripe.assert_well(harness, &api).await;
}

async fn what_has_no_id_is_422(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    for body in [
        r#"{"type":"x"}"#,
        r#"{"id":"","type":"x"}"#,
        r#"{"id":"  "}"#,
        r#"{"id":null}"#,
        r#"{"id":{}}"#,
        "null",
        "[]",
        "\"x\"",
        "1",
        "no JSON",
        "{\"id\":\"evt_9\"",
        "",
    ] {
        let answer = stripe.send(harness, &api, body).await;
        assert_refused(answer, 422, body).await;
    }
    let answer = stripe.send(harness, &api, &b"{\"id\":\"\xff\"}"[..]).await;
    assert_refused(answer, 422, "no UTF-8").await;
    assert_eq!(harness.rows().await, 0);
    stripe.send_well(harness, &api, r#"{"id":"evt_9"}"#).await;
    super::scene::processed(harness, &api, "stripe", "evt_9").await;
}

/// It is known by its hash if no column can hold it.
async fn an_odd_id_is_an_id(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    let long = "x".repeat(300);
    for id in [
        "\"a\\u0000b\"",
        "\"a\\nb\"",
        &format!("\"{long}\""),
        "12345678901234567890",
        "\"a/b?c#d\"",
        "\"₹\"",
    ] {
        for _ in 0..2 {
            stripe
                .send_well(harness, &api, &format!("{{\"id\":{id}}}"))
                .await;
        }
    }
    assert_eq!(harness.rows().await, 6);
    for id in ["12345678901234567890", "a%2Fb%3Fc%23d", "%E2%82%B9"] {
        super::scene::processed(harness, &api, "stripe", id).await;
    }
}

async fn of_a_batch_with_one_bad_item_nothing_is_stored(harness: &mut Harness) {
    with_file(
        harness,
        "[sources.batch]\nverify = 'bearer'\nsecret_literals = ['the secret of batches']\n\
         split = '/events'\nid = 'json:/id'",
    );
    let api = harness.start("").await.url();
    let bearer = [(
        "authorization".to_owned(),
        "Bearer the secret of batches".to_owned(),
    )];
    let items = |count: usize| {
        let items: Vec<_> = (0..count).map(|n| format!("{{\"id\":\"e{n}\"}}")).collect();
        items.join(",")
    };
    for body in [
        r#"{"events":[{"id":"a"},{"id":""}]}"#.to_owned(),
        r#"{"events":[{"id":"a"},{}]}"#.into(),
        r#"{"events":[{"id":"a"},null]}"#.into(),
        r#"{"events":[{"id":"a"}"#.into(),
        format!("{{\"events\":[{}]}}", items(1001)),
    ] {
        let answer = post(harness, &api, "batch", &bearer, body.clone()).await;
        assert_refused(answer, 422, &format!("{body:.40}")).await;
    }
    assert_eq!(harness.rows().await, 0);
    let body = format!("{{\"events\":[{}]}}", items(1000));
    let taken = async || {
        post(harness, &api, "batch", &bearer, body.clone())
            .await
            .status()
            == 200
    };
    until(taken, || "a thousand are not taken".into()).await;
    assert_eq!(harness.rows().await, 1000);
    let url = format!("{api}/v1/sources/batch/transactions/e7/payload");
    let bytes = harness.get(&url).await.text().await.unwrap();
    assert_eq!(bytes, r#"{"id":"e7"}"#);
}

async fn a_signature_over_another_address_is_401(harness: &mut Harness) {
    let environment = &mut harness.environment;
    environment.insert("SOURCE_SQUARE_SECRET", "the signature key".into());
    let public = "https://pay.example.com/in/here";
    environment.insert("SOURCE_SQUARE_PUBLIC_URL", public.into());
    let api = harness.start("").await.url();
    let square = Sender::new("square", "square", "the signature key");
    let body = r#"{"event_id":"e1","type":"x"}"#;
    for url in [
        "https://pay.example.com/in/here/",
        "http://pay.example.com/in/here",
        "https://pay.example.com/in/here?a=b",
    ] {
        let headers = square.sign_for(url, body.as_bytes(), 0);
        let answer = post(harness, &api, "square", &headers, body).await;
        assert_refused(answer, 401, url).await;
    }
    logged(harness, "slash at the end of the address").await;
    assert_eq!(harness.rows().await, 0);
    square.assert_well(harness, &api).await;
}

async fn a_source_that_nobody_knows_is_404(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    let headers = stripe.sign(EVENT.as_bytes(), 0);
    for source in [
        "nobody",
        "STRIPE",
        "stripe%00",
        "%ff",
        "stripe%2F",
        "transaction%73",
    ] {
        let answer = post(harness, &api, source, &headers, EVENT).await;
        problem(answer, 404).await;
    }
    for source in ["str%69pe", "stripe/", "/stripe"] {
        let answer = post(harness, &api, source, &headers, EVENT).await;
        assert_eq!(answer.status(), 200, "{source}");
    }
    assert_eq!(harness.rows().await, 1);
    stripe.assert_well(harness, &api).await;
}

async fn another_method_is_405(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    let url = format!("{api}/v1/webhooks/stripe");
    for (method, allowed) in [
        (Method::GET, "POST"),
        (Method::PUT, "GET, HEAD, POST, OPTIONS"),
        (Method::DELETE, "GET, HEAD, POST, OPTIONS"),
    ] {
        let answer = harness.client.request(method, &url).send().await.unwrap();
        assert_eq!(answer.headers()["allow"], allowed);
        problem(answer, 405).await;
    }
    let answer = harness.client.head(&url).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    stripe.assert_well(harness, &api).await;
}

async fn a_body_that_is_coded_is_415_and_one_that_is_too_long_413(harness: &mut Harness) {
    with_file(
        harness,
        "[sources.stripe]\nsecret_literals = ['whsec_test_secret']\nmax_body = '4KiB'",
    );
    let api = harness.start("").await.url();
    let stripe = Sender::stripe();
    let coded = [("content-encoding".to_owned(), "gzip".to_owned())];
    let answer = post(harness, &api, "stripe", &coded, EVENT).await;
    assert_eq!(answer.headers()["accept-encoding"], "identity");
    problem(answer, 415).await;
    let filled = |bytes: usize| {
        let pad = bytes - EVENT.len() - 9;
        EVENT.replace(
            "\"type\"",
            &format!("\"pad\":\"{}\",\"type\"", "x".repeat(pad)),
        )
    };
    let most = filled(4096);
    assert_eq!(most.len(), 4096);
    for longer in [filled(4097), filled(1 << 20)] {
        let answer = stripe.send(harness, &api, longer.clone()).await;
        let problem = problem(answer, 413).await;
        assert_eq!(problem["detail"], "the body is longer than 4096 bytes");
        let answer = raw(&api, &in_chunks(&stripe, &longer)).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    assert_eq!(harness.rows().await, 0);
    stripe.send_well(harness, &api, &most).await;
    stripe.assert_well(harness, &api).await;
}

/// A signed request without a `Content-Length`, after which the connection ends.
fn in_chunks(sender: &Sender, body: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /v1/webhooks/{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n",
        sender.name
    );
    for (name, value) in sender.sign(body.as_bytes(), 0) {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    for chunk in body.as_bytes().chunks(1000) {
        let chunk = std::str::from_utf8(chunk).unwrap();
        request += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    request += "0\r\n\r\n";
    request.into_bytes()
}

async fn a_body_in_chunks_is_taken_and_one_that_is_asked_for_first(harness: &mut Harness) {
    let (api, stripe) = start(harness).await;
    let long = EVENT.replace(
        "\"type\"",
        &format!("\"pad\":\"{}\",\"type\"", "x".repeat(9000)),
    );
    let answer = raw(&api, &in_chunks(&stripe, &long)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let asks = |source: &str| {
        let signed = stripe.sign(EVENT.as_bytes(), 0);
        format!(
            "POST /v1/webhooks/{source} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
             content-length: {}\r\n{}: {}\r\n\r\n",
            EVENT.len(),
            signed[0].0,
            signed[0].1
        )
    };
    let address = api.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(asks("stripe").as_bytes()).await.unwrap();
    let mut told = [0; 25];
    let read = stream.read_exact(&mut told);
    tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(EVENT.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Nobody asks for the body of what is not found.
    let answer = raw(&api, asks("nobody").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    stripe.assert_well(harness, &api).await;
}

async fn the_log_says_what_an_operator_may_have_done_wrong(harness: &mut Harness) {
    with_stripe(harness);
    harness
        .environment
        .insert("SOURCE_PADDLE_SECRET", "the secret of paddle".into());
    let api = harness.start("").await.url();
    let swapped = Sender::new("stripe", "stripe", "the secret of paddle");
    assert_eq!(swapped.send(harness, &api, EVENT).await.status(), 401);
    logged(
        harness,
        "hint=\"it fits with a secret of the source paddle\"",
    )
    .await;
    let log = harness.running_log();
    assert!(!log.contains("the secret of"), "{log}");
    let begun = Instant::now();
    for _ in 0..300 {
        assert_eq!(
            post(harness, &api, "stripe", &[], EVENT).await.status(),
            401
        );
    }
    let log = harness.running_log();
    let lines = log.matches(REFUSED).count();
    let most = 10 * (begun.elapsed().as_secs() as usize + 2);
    assert!((2..=most.min(300)).contains(&lines), "{lines}");
    Sender::stripe().assert_well(harness, &api).await;
}

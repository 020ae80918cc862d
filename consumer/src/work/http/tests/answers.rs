//! What becomes of an attempt.

use std::time::{Duration, SystemTime};

use entity::Outcome;
use hyper::{Response, header};
use rustls::RootCertStore;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::{
    super::{Downstream, Limits, Roots, Signal},
    LONG, SHORT, attempt, downstream, job,
    server::{Server, raw},
    settings,
};

/// Answers with the status that the query names.
async fn obliging() -> Server {
    Server::start(|head| {
        let status = head.uri.query().unwrap();
        let response = Response::builder()
            .status(status)
            .header(header::LOCATION, "/elsewhere?200")
            .header(header::RETRY_AFTER, "120");
        response.body("a\r\n\0b".into()).unwrap()
    })
    .await
}

#[tokio::test]
async fn a_status_decides_what_becomes_of_the_transaction() {
    let server = obliging().await;
    for (status, outcome, told) in [
        (200, Outcome::Succeeded, None),
        (204, Outcome::Succeeded, None),
        (302, Outcome::Failed, Some("answered 302 Found: a b")),
        (
            307,
            Outcome::Failed,
            Some("answered 307 Temporary Redirect: a b"),
        ),
        (400, Outcome::Refused, Some("answered 400 Bad Request: a b")),
        (
            422,
            Outcome::Refused,
            Some("answered 422 Unprocessable Entity: a b"),
        ),
        (
            429,
            Outcome::Failed,
            Some("answered 429 Too Many Requests: a b"),
        ),
        (
            500,
            Outcome::Failed,
            Some("answered 500 Internal Server Error: a b"),
        ),
        (599, Outcome::Failed, Some("answered 599: a b")),
    ] {
        let url = format!("http://{}/?{status}", server.place);
        let downstream = Downstream::new(settings(url, LONG)).unwrap();
        let attempt = downstream.call(job("t1"), None).await.attempt;
        assert_eq!((attempt.outcome, attempt.status), (outcome, Some(status)));
        assert_eq!(attempt.error.as_deref(), told);
        // Nobody waits for what is over.
        let wait = (outcome == Outcome::Failed).then_some(Duration::from_secs(120));
        assert_eq!(attempt.retry_after, wait, "{status}");
        // A redirect above all: it is not followed.
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_status_says_something_about_the_service_too() {
    let server = Server::start(|head| {
        let mut response = Response::builder().status(head.uri.query().unwrap());
        if head.uri.path() == "/later" {
            response = response.header(header::RETRY_AFTER, "1");
        }
        response.body("".into()).unwrap()
    })
    .await;
    for (path, signal) in [
        ("?200", Signal::Succeeded),
        ("later?200", Signal::Succeeded),
        ("?404", Signal::Refused),
        ("later?404", Signal::Refused),
        ("?429", Signal::Limited),
        ("later?503", Signal::Limited),
        ("?503", Signal::Failed),
        ("?409", Signal::Failed),
        ("?302", Signal::Failed),
    ] {
        let url = format!("http://{}/{path}", server.place);
        let downstream = Downstream::new(settings(url, LONG)).unwrap();
        assert_eq!(
            downstream.call(job("t1"), None).await.signal,
            signal,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_date_in_retry_after_is_waited_for() {
    let server = Server::start(|_| {
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
        let response = Response::builder().status(503).header("Retry-After", date);
        response.body("".into()).unwrap()
    })
    .await;
    let attempt = attempt(&server.place, LONG).await;
    let wait = attempt.retry_after.unwrap();
    assert!((570..=600).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(attempt.error.unwrap(), "answered 503 Service Unavailable");
}

#[tokio::test]
async fn downstream_that_does_not_answer_in_time_has_failed() {
    let place = raw(|stream| async {
        let _open = stream;
        std::future::pending().await
    })
    .await;
    let attempt = attempt(&place, SHORT).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Failed, None));
    assert_eq!(attempt.error.unwrap(), "no answer within 400 ms");
    assert!(attempt.took >= SHORT);
}

#[tokio::test]
async fn downstream_that_hangs_up_has_failed() {
    let place = raw(|stream| async { drop(stream) }).await;
    let attempt = attempt(&place, LONG).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Failed, None));
    let error = attempt.error.unwrap();
    assert!(error.starts_with("no answer: connection closed"), "{error}");
}

#[tokio::test]
async fn downstream_that_is_not_there_has_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    drop(listener);
    let attempt = attempt(&place, LONG).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Failed, None));
    let error = attempt.error.unwrap();
    assert!(
        error.starts_with("could not connect: Connection refused"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_failure() {
    let place = raw(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n").await;
    })
    .await;
    let attempt = attempt(&place, LONG).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Failed, None));
}

/// Writes without end, until the caller has had enough.
async fn flood(mut stream: TcpStream, beginning: &str, piece: &str) {
    let mut written = stream.write_all(beginning.as_bytes()).await;
    while written.is_ok() {
        written = stream.write_all(piece.as_bytes()).await;
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off_and_the_status_counts() {
    let done = raw(|stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let piece = format!("400\r\n{}\r\n", "x".repeat(0x400));
        async move { flood(stream, head, &piece).await }
    })
    .await;
    let attempt_done = attempt(&done, LONG).await;
    assert_eq!(attempt_done.outcome, Outcome::Succeeded);
    assert_eq!(attempt_done.error, None);

    let failed = raw(|stream| {
        let head = "HTTP/1.1 500 No\r\n\r\n";
        async move { flood(stream, head, &"x".repeat(1024)).await }
    })
    .await;
    let attempt = attempt(&failed, LONG).await;
    assert_eq!(
        (attempt.outcome, attempt.status),
        (Outcome::Failed, Some(500))
    );
    let told = format!("answered 500 Internal Server Error: {}", "x".repeat(200));
    assert_eq!(attempt.error.unwrap(), told);
}

#[tokio::test]
async fn an_endless_head_is_cut_off_and_the_status_counts() {
    let place =
        raw(|stream| async { flood(stream, "HTTP/1.1 200 OK\r\nx: ", "xxxxxxxx").await }).await;
    let attempt = attempt(&place, LONG).await;
    assert_eq!(
        (attempt.outcome, attempt.status),
        (Outcome::Succeeded, Some(200))
    );
}

#[tokio::test]
async fn interim_heads_without_end_are_no_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\nx\0\r\n\r\n";
    let place = raw(move |stream| async move { flood(stream, hints, hints).await }).await;
    let attempt = attempt(&place, LONG).await;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Failed, None));
}

/// A little at a time, so that no single wait is long.
async fn drip(mut stream: TcpStream, head: &str) {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let mut written = stream.write_all(head.as_bytes()).await;
    while written.is_ok() {
        every.tick().await;
        written = stream.write_all(b"x").await;
    }
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_time_and_the_status_counts() {
    let done = raw(|stream| async {
        drip(stream, "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n").await;
    })
    .await;
    let attempt_done = attempt(&done, SHORT).await;
    assert_eq!(attempt_done.outcome, Outcome::Succeeded);
    assert!(attempt_done.took >= SHORT && attempt_done.took < 10 * SHORT);

    let failed = raw(|stream| async {
        drip(stream, "HTTP/1.1 503 No\r\ncontent-length: 60000\r\n\r\n").await;
    })
    .await;
    let attempt = attempt(&failed, SHORT).await;
    assert_eq!(
        (attempt.outcome, attempt.status),
        (Outcome::Failed, Some(503))
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let place = raw(|mut stream| async move {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
        let _ = stream.write_all(answer).await;
    })
    .await;
    let downstream = downstream(&place, LONG);
    for _ in 0..2 {
        let attempt = downstream.call(job("t1"), None).await.attempt;
        assert_eq!(
            (attempt.outcome, attempt.status),
            (Outcome::Succeeded, Some(200))
        );
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_a_failure() {
    let (server, certificate) = Server::start_tls(|_| Response::default()).await;
    let settings = || settings(format!("https://{}/", server.place), LONG);
    let mut others = RootCertStore::empty();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    others.add(other.cert.der().clone()).unwrap();
    let downstream = Downstream::with(settings(), Roots::These(others), Limits::USUAL).unwrap();
    let attempt = downstream.call(job("t1"), None).await.attempt;
    assert_eq!((attempt.outcome, attempt.status), (Outcome::Failed, None));
    let error = attempt.error.unwrap();
    assert!(
        error.starts_with("could not connect: invalid peer certificate"),
        "{error}"
    );
    assert!(server.requests().is_empty());

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let downstream = Downstream::with(settings(), Roots::These(roots), Limits::USUAL).unwrap();
    for _ in 0..2 {
        let attempt = downstream.call(job("t1"), None).await.attempt;
        assert_eq!(attempt.outcome, Outcome::Succeeded, "{attempt:?}");
    }
    let seen = server.requests();
    assert_eq!((seen.len(), seen[0].connection), (2, seen[1].connection));
}

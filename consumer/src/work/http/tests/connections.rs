//! Which connections calls use, and what happens to those that die.

use std::time::Duration;

use entity::Outcome;
use tokio::{io::AsyncReadExt as _, sync::mpsc};

use super::{
    super::{Downstream, Limits, Roots, Signal},
    LONG, SHORT, downstream, job,
    server::{Reply, Scripted, raw},
    settings,
};
use Reply::{Close, Hang, Reset, Say};

const OK: Reply = Say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
const TIMED_OUT: Reply = Say(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");

/// What came of each of some calls, one after the other.
async fn calls(downstream: &Downstream, count: usize) -> Vec<Signal> {
    let mut signals = Vec::new();
    for _ in 0..count {
        signals.push(downstream.call(job("t1"), None).await.signal);
    }
    signals
}

#[tokio::test]
async fn a_call_over_a_kept_connection_that_dies_without_a_word_is_made_once_more_over_a_new_one() {
    for script in [
        &[&[OK, Close][..], &[OK]][..],
        &[&[OK, Reset], &[OK]],
        &[&[OK, TIMED_OUT], &[OK]],
    ] {
        let server = Scripted::start(script).await;
        let downstream = downstream(&server.place, LONG);
        assert_eq!(calls(&downstream, 2).await, [Signal::Succeeded; 2]);
        assert_eq!(server.connections(), [0, 0, 1]);
    }
}

#[tokio::test]
async fn a_call_is_made_once_more_and_never_twice() {
    let server = Scripted::start(&[&[OK, Close], &[Reset], &[OK]]).await;
    let downstream = downstream(&server.place, LONG);
    let expected = [Signal::Succeeded, Signal::Unreachable];
    assert_eq!(calls(&downstream, 2).await, expected);
    assert_eq!(server.connections(), [0, 0, 1]);

    let server = Scripted::start(&[&[OK, TIMED_OUT], &[TIMED_OUT], &[OK]]).await;
    let downstream = self::downstream(&server.place, LONG);
    assert_eq!(
        calls(&downstream, 2).await,
        [Signal::Succeeded, Signal::Failed]
    );
    assert_eq!(server.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn a_new_connection_that_dies_without_a_word_is_a_failure() {
    for script in [&[&[Close][..], &[OK]][..], &[&[Reset], &[OK]]] {
        let server = Scripted::start(script).await;
        let called = downstream(&server.place, LONG).call(job("t1"), None).await;
        assert_eq!(called.signal, Signal::Unreachable);
        assert_eq!(called.attempt.outcome, Outcome::Failed);
        assert_eq!(server.connections(), [0]);
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_after_a_first_byte_is_a_failure() {
    let server = Scripted::start(&[&[OK, Say(b"H")], &[OK]]).await;
    let downstream = downstream(&server.place, LONG);
    let expected = [Signal::Succeeded, Signal::Unreachable];
    assert_eq!(calls(&downstream, 2).await, expected);
    assert_eq!(server.connections(), [0, 0]);
}

#[tokio::test]
async fn the_time_is_for_both_calls_together() {
    let server = Scripted::start(&[&[OK, Close], &[Hang]]).await;
    let downstream = downstream(&server.place, SHORT);
    calls(&downstream, 1).await;
    let called = downstream.call(job("t1"), None).await;
    assert_eq!(called.signal, Signal::Unreachable);
    assert!(called.attempt.took >= SHORT && called.attempt.took < 2 * SHORT);
    assert_eq!(server.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn a_connection_is_not_used_beyond_its_lifetime() {
    for (lifetime, expected) in [(Duration::ZERO, [0, 1]), (LONG, [0, 0])] {
        let server = Scripted::start(&[&[OK, OK], &[OK]]).await;
        let limits = Limits {
            lifetime,
            ..Limits::USUAL
        };
        let settings = settings(format!("http://{}/", server.place), LONG);
        let downstream = Downstream::with(settings, Roots::System, limits).unwrap();
        assert_eq!(calls(&downstream, 2).await, [Signal::Succeeded; 2]);
        assert_eq!(server.connections(), expected, "{lifetime:?}");
    }
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed() {
    let (closed, mut is_closed) = mpsc::channel(1);
    let place = raw(move |mut stream| {
        let closed = closed.clone();
        async move {
            use tokio::io::AsyncWriteExt as _;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            if matches!(stream.read(&mut [0]).await, Ok(0)) {
                closed.send(()).await.unwrap();
            }
        }
    })
    .await;
    let limits = Limits {
        idle: Duration::from_millis(50),
        ..Limits::USUAL
    };
    let settings = settings(format!("http://{place}/"), LONG);
    let downstream = Downstream::with(settings, Roots::System, limits).unwrap();
    assert_eq!(calls(&downstream, 1).await, [Signal::Succeeded]);
    let closed = tokio::time::timeout(LONG, is_closed.recv()).await;
    assert_eq!(closed, Ok(Some(())));
}

#[tokio::test]
async fn a_connection_is_used_again_only_where_its_answer_left_no_doubt() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n";
    let long: &'static [u8] = [head.as_slice(), &[b'x'; 65_536]].concat().leak();
    for (answer, is_used_again) in [
        (long, true),
        (
            b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\ncontent-length: 0\r\n\r\n",
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\nX-A : 1\r\ncontent-length: 0\r\n\r\n",
            true,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            true,
        ),
        (b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno", true),
        (b"HTTP/1.1 204 No Content\r\n\r\n", true),
        (
            b"HTTP/1.1 200 OK\r\nX\0: 1\r\ncontent-length: 0\r\n\r\n",
            false,
        ),
        (
            b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n",
            false,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nrest", false),
        (
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            false,
        ),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
    ] {
        let server = Scripted::start(&[&[Say(answer), OK], &[OK]]).await;
        let downstream = downstream(&server.place, LONG);
        assert_eq!(calls(&downstream, 2).await[1], Signal::Succeeded);
        let expected = [0, usize::from(!is_used_again)];
        assert_eq!(
            server.connections(),
            expected,
            "{}",
            answer.get(..80).unwrap_or(answer).escape_ascii()
        );
    }
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_charged_to_nobody() {
    // Longer than a part of a name may be, so that nobody is asked about it.
    let place = format!("{}.invalid:80", "x".repeat(64));
    let called = downstream(&place, LONG).call(job("t1"), None).await;
    assert_eq!(called.signal, Signal::Here);
    assert_eq!(called.attempt.status, None);
    let error = called.attempt.error.unwrap();
    assert!(
        error.starts_with("could not be called from here: "),
        "{error}"
    );
}

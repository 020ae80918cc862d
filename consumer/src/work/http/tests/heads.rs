//! Heads that are odd. A status line that can be read decides, whatever else is in the head.

use std::time::Duration;

use entity::Outcome;
use tokio::io::AsyncWriteExt as _;

use super::{
    super::{Called, Signal},
    LONG, SHORT, downstream, job,
    server::raw,
};

/// Writes these pieces one after the other, each when the one before has been seen, and hangs up.
async fn say(pieces: Vec<Vec<u8>>) -> String {
    raw(move |mut stream| {
        let pieces = pieces.clone();
        async move {
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
                // A piece is to be read by itself. Should it not be, the test shows less and fails no more.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    })
    .await
}

async fn called(pieces: &[&[u8]]) -> Called {
    let place = say(pieces.iter().map(|piece| piece.to_vec()).collect()).await;
    let called = downstream(&place, LONG).call(job("t1"), None).await;
    assert!(called.attempt.took < LONG);
    called
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
const END: &[u8] = b"content-length: 0\r\n\r\n";

/// What follows `HTTP/1.1 200 OK`.
const ODD: &[(&str, &[u8])] = &[
    ("nothing at all", b""),
    (
        "a blank before the colon",
        b"X-Old : 1\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "a blank before the colon of the length",
        b"content-length : 0\r\n\r\n",
    ),
    (
        "a control byte",
        b"Set-Cookie: a=\x01b\r\ncontent-length: 0\r\n\r\n",
    ),
    ("a NUL", b"X-A: a\0b\r\ncontent-length: 0\r\n\r\n"),
    (
        "bytes of Latin-1",
        b"X-A: \xe4\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "a warning",
        b"PHP Warning:  foo in /x on line 1\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "a line without a colon",
        b"Warning foo\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "a line with an empty name",
        b": 1\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "a folded line",
        b"X-A: 1\r\n  2\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "a fold at the start",
        b"  X-A: 1\r\ncontent-length: 0\r\n\r\n",
    ),
    ("ends of lines without CR", b"X-A: 1\ncontent-length: 0\n\n"),
    ("ends of lines without LF", b"X-A: 1\rcontent-length: 0\r\r"),
    ("rubbish", b"\x00\xff\xfe\x80 \r \n\r rubbish"),
    ("a head that is cut", b"content-le"),
    (
        "one length twice",
        b"content-length: 0\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "two lengths",
        b"content-length: 0\r\ncontent-length: 2\r\n\r\nok",
    ),
    ("two lengths in one", b"content-length: 0, 2\r\n\r\nok"),
    ("a length that is none", b"content-length: -1\r\n\r\n"),
    (
        "an endless length",
        b"content-length: 99999999999999999999999\r\n\r\n",
    ),
    ("a body that is cut", b"content-length: 9\r\n\r\nabc"),
    (
        "a chunk that is cut",
        b"transfer-encoding: chunked\r\n\r\n5\r\nab",
    ),
    (
        "a chunk that is none",
        b"transfer-encoding: chunked\r\n\r\nzz\r\nab",
    ),
    (
        "an unknown encoding",
        b"transfer-encoding: gzip, rot13\r\n\r\nab",
    ),
    (
        "chunks and a length",
        b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n0\r\n\r\n",
    ),
    (
        "trailers",
        b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T\0: 1\r\n\r\n",
    ),
];

#[tokio::test]
async fn a_readable_status_line_decides_whatever_the_rest_of_the_head_looks_like() {
    let many: Vec<u8> = (0..500)
        .flat_map(|n| format!("X-{n}: 1\r\n").into_bytes())
        .collect();
    let long = [b"X-A: ".as_slice(), &[b'a'; 100_000], b"\r\n"].concat();
    let made = [
        ("500 headers", [&many, END].concat()),
        ("a head of 100 kB", [&long, END].concat()),
    ];
    let odd = ODD.iter().map(|(what, rest)| (*what, rest.to_vec()));
    for (what, rest) in odd.chain(made) {
        for (status, outcome) in [
            (200, Outcome::Succeeded),
            (422, Outcome::Refused),
            (500, Outcome::Failed),
        ] {
            let line = format!("HTTP/1.1 {status} Any\r\n").into_bytes();
            let attempt = called(&[&[&line, &*rest].concat()]).await.attempt;
            let found = (attempt.outcome, attempt.status);
            assert_eq!(found, (outcome, Some(status)), "{what}: {attempt:?}");
        }
        // The line by itself, and then the rest: the library may give up in between.
        let attempt = called(&[OK, &rest]).await.attempt;
        assert_eq!(attempt.outcome, Outcome::Succeeded, "{what}: {attempt:?}");
    }
}

#[tokio::test]
async fn a_status_line_may_be_odd_itself() {
    for line in [
        "HTTP/1.1 200\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.1  200  OK\r\n",
        "HTTP/1.1 200 \0\u{1}\r\n",
        "HTTP/1.1 200 Ünïcödé\r\n",
        "HTTP/1.1 200 OK\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\n",
        // Cut in the words after it.
        "HTTP/1.1 200 O",
    ] {
        let ends: &[&[u8]] = if line.ends_with('\n') {
            &[END, b""]
        } else {
            &[b""]
        };
        for end in ends {
            let attempt = called(&[line.as_bytes(), end]).await.attempt;
            let found = (attempt.outcome, attempt.status);
            assert_eq!(
                found,
                (Outcome::Succeeded, Some(200)),
                "{line:?}: {attempt:?}"
            );
        }
    }
}

#[tokio::test]
async fn interim_heads_decide_nothing() {
    let interim: [&[u8]; 4] = [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink\0: </x>\r\n\r\n",
        b"HTTP/1.1 102 Processing\n\n",
    ];
    for head in interim {
        for (end, status) in [
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
                Some(200),
            ),
            (b"HTTP/1.1 503 No\r\nX\0\r\n", Some(503)),
            (b"", None),
        ] {
            for pieces in [
                vec![[head, end].concat()],
                vec![head.to_vec(), end.to_vec()],
            ] {
                let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                let attempt = called(&pieces).await.attempt;
                assert_eq!(attempt.status, status, "{}", head.escape_ascii());
            }
        }
    }
}

#[tokio::test]
async fn a_time_to_wait_and_a_reason_are_read_from_an_odd_head_too() {
    let answer = b"HTTP/1.1 503 No\r\nX-A: \0\r\nretry-after: 120\r\n\r\nbusy:\r\n later";
    let called = called(&[answer]).await;
    assert_eq!(called.signal, Signal::Limited);
    assert_eq!(called.attempt.retry_after, Some(Duration::from_secs(120)));
    let error = called.attempt.error.unwrap();
    assert_eq!(error, "answered 503 Service Unavailable: busy: later");
}

#[tokio::test]
async fn a_connection_that_is_reset_behind_the_status_line_has_brought_it() {
    let place = raw(|mut stream| async move {
        stream.write_all(OK).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    // What was not read before the reset may be gone. Then it is no answer, and nothing else.
    let called = downstream(&place, LONG).call(job("t1"), None).await;
    match called.attempt.status {
        Some(status) => assert_eq!((status, called.signal), (200, Signal::Succeeded)),
        None => assert_eq!(called.signal, Signal::Unreachable),
    }
}

#[tokio::test]
async fn a_head_whose_end_does_not_come_in_time_has_brought_its_status() {
    let place = raw(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-A: ").await.unwrap();
        std::future::pending().await
    })
    .await;
    let attempt = downstream(&place, SHORT)
        .call(job("t1"), None)
        .await
        .attempt;
    assert_eq!(attempt.outcome, Outcome::Succeeded);
    assert!(attempt.took >= SHORT);
}

#[tokio::test]
async fn what_is_no_status_line_is_no_answer() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.6\r\n\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"<html>HTTP/1.1 200 OK</html>",
        b"HTTP/1.1 2",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"\r\n\r\n",
    ] {
        let called = called(&[answer]).await;
        let found = (called.attempt.outcome, called.attempt.status, called.signal);
        let expected = (Outcome::Failed, None, Signal::Unreachable);
        assert_eq!(found, expected, "{}", answer.escape_ascii());
    }
}

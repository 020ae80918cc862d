//! Reads of an answer what can be read when the HTTP library makes nothing of it. Services stand behind
//! old frameworks, servers written by hand and scripts whose warnings get between the headers. Their status
//! line still says whether the work was done, and whoever did it should not be asked again because of one
//! odd header.
//!
//! Pure functions of bytes. They believe no length, so a connection whose answer was read like this must
//! not be used again.

use hyper::StatusCode;

/// What could be read of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// The final one: no 1xx but 101, after which nothing else would come.
    pub(super) status: StatusCode,
    /// The value of `Retry-After`, as it was sent.
    pub(super) retry_after: Option<String>,
    /// What follows the first empty line, as it was sent.
    pub(super) body: Vec<u8>,
}

/// There is no final status in what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoStatus {
    /// It may be in what comes.
    Yet,
    /// This is no HTTP.
    Ever,
}

/// Reads an answer from its first byte on, as far as it has come.
pub(super) fn read(bytes: &[u8]) -> Result<Fragment, NoStatus> {
    let mut rest = bytes;
    loop {
        // RFC 9112, section 2.2: an empty line before a message is ignored.
        while let [b'\r' | b'\n', after @ ..] = rest {
            rest = after;
        }
        let status = status(rest)?;
        let head = next_line(rest).map_or(&b""[..], |(_, after)| after);
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(fragment(status, head));
        }
        rest = after_head(head).ok_or(NoStatus::Yet)?;
    }
}

/// `HTTP/1.1 200 OK`: a version, blanks, and three digits that only a blank or the end of the line follows.
fn status(line: &[u8]) -> Result<StatusCode, NoStatus> {
    const PROTOCOL: &[u8] = b"HTTP/";
    let (protocol, rest) = line.split_at(PROTOCOL.len().min(line.len()));
    if !PROTOCOL
        .get(..protocol.len())
        .is_some_and(|expected| protocol.eq_ignore_ascii_case(expected))
    {
        return Err(NoStatus::Ever);
    }
    let (version, rest) = span(rest, |byte| byte.is_ascii_digit() || byte == b'.')?;
    let (blanks, rest) = span(rest, is_blank)?;
    let (digits, rest) = span(rest, |byte| byte.is_ascii_digit())?;
    let is_over = matches!(rest, [b'\r' | b'\n', ..]) || rest.iter().copied().take(1).all(is_blank);
    if version.is_empty() || blanks.is_empty() || digits.len() != 3 || !is_over {
        return Err(NoStatus::Ever);
    }
    StatusCode::from_bytes(digits).map_err(|_| NoStatus::Ever)
}

/// The longest beginning that is like this, and the rest. While there is no rest, the end has not come.
fn span(bytes: &[u8], is_like: impl Fn(u8) -> bool) -> Result<(&[u8], &[u8]), NoStatus> {
    let end = bytes.iter().position(|byte| !is_like(*byte));
    Ok(bytes.split_at(end.ok_or(NoStatus::Yet)?))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The first line without its end, which is LF or CRLF, and what follows it.
fn next_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at(end);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

/// What follows the empty line.
fn after_head(mut head: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, rest) = next_line(head)?;
        if line.is_empty() {
            return Some(rest);
        }
        head = rest;
    }
}

fn fragment(status: StatusCode, head: &[u8]) -> Fragment {
    let body = after_head(head).unwrap_or_default();
    let lines = head
        .strip_suffix(body)
        .unwrap_or(head)
        .split(|byte| *byte == b'\n');
    Fragment {
        status,
        retry_after: lines.filter_map(retry_after).next(),
        body: body.to_vec(),
    }
}

fn retry_after(line: &[u8]) -> Option<String> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let is_it = name.trim().eq_ignore_ascii_case("retry-after");
    is_it.then(|| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status_of(bytes: &[u8]) -> Result<u16, NoStatus> {
        read(bytes).map(|fragment| fragment.status.as_u16())
    }

    #[test]
    fn the_final_status_is_found_whatever_is_around_it() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], Ok(200)),
            (b"HTTP/1.1 200 ", Ok(200)),
            (b"HTTP/1.1 200\n", Ok(200)),
            (b"HTTP/1.0 503\r", Ok(503)),
            (b"http/1.1  \t404 \xff\0\x01", Ok(404)),
            (b"HTTP/2 201 Created\n", Ok(201)),
            (b"\r\n\nHTTP/1.1 200 OK\r\n", Ok(200)),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", Ok(200)),
            (
                b"HTTP/1.1 103 x\nLink\0: a\n\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 422 x\n",
                Ok(422),
            ),
            (b"HTTP/1.1 101 Switching Protocols\r\n", Ok(101)),
            // It may still come.
            (b"", Err(NoStatus::Yet)),
            (b"\r\n", Err(NoStatus::Yet)),
            (b"HT", Err(NoStatus::Yet)),
            (b"HTTP/1.1 20", Err(NoStatus::Yet)),
            (b"HTTP/1.1 200", Err(NoStatus::Yet)),
            (b"HTTP/1.1 100 Continue\r\n\r\n", Err(NoStatus::Yet)),
            (
                b"HTTP/1.1 103 Early Hints\r\nLink: HTTP/1.1 200 OK\r\n",
                Err(NoStatus::Yet),
            ),
            // It never will.
            (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Err(NoStatus::Ever)),
            (b"<html>HTTP/1.1 200 OK\r\n", Err(NoStatus::Ever)),
            (b"HTTP/1.1 2000 OK\r\n", Err(NoStatus::Ever)),
            (b"HTTP/1.1 200OK\r\n", Err(NoStatus::Ever)),
            (b"HTTP/1.1 20\r\n", Err(NoStatus::Ever)),
            (b"HTTP/1.1 099 x\r\n", Err(NoStatus::Ever)),
            (b"HTTP/ 200 OK\r\n", Err(NoStatus::Ever)),
            (b"HTTP/1.1\r\n200 OK\r\n", Err(NoStatus::Ever)),
        ] {
            assert_eq!(status_of(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_time_and_a_body_are_read_where_they_can_be() {
        let answer =
            b"HTTP/1.1 503 No\r\nA\0\xff\r\nretry-AFTER : 120 \r\n\r\nRetry-After: 7\r\n\r\n";
        let fragment = read(answer).unwrap();
        assert_eq!(fragment.retry_after.as_deref(), Some("120"));
        assert_eq!(fragment.body, b"Retry-After: 7\r\n\r\n");

        let fragment = read(b"HTTP/1.1 503 No\nX\n\nRetry-After: 7\n").unwrap();
        assert_eq!(fragment.retry_after, None);

        let cut = read(b"HTTP/1.1 503 No\r\nRetry-After: 5\r\nX").unwrap();
        assert_eq!(
            (cut.retry_after.as_deref(), &*cut.body),
            (Some("5"), &b""[..])
        );
    }

    const PIECES: &[&[u8]] = &[b"HTTP/1.1 ", b"200", b"103", b" ", b"\r\n", b"\xff"];

    proptest! {
        #[test]
        fn what_has_been_read_once_stays_so_whatever_comes(
            beginning in proptest::collection::vec(
                proptest::sample::select(PIECES),
                0..12,
            ),
            end in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let beginning = beginning.concat();
            let all = [&*beginning, &end].concat();
            match status_of(&beginning) {
                Err(NoStatus::Yet) => {}
                decided => prop_assert_eq!(status_of(&all), decided),
            }
        }
    }
}

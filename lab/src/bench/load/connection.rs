//! One kept-alive HTTP/1.1 connection with at most one request under way.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};

/// Bytes that an answer may have, head and body. The service's have about 350.
const ANSWER_MAX: usize = 8 * 1024;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing, or only a part.
    Nothing,
    Answer(Answer),
    /// The server has closed the connection.
    Closed,
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `202`
    Accepted,
    /// `503` with `Retry-After`: send it again later.
    Later,
    /// Anything else: the first line, and what is missing.
    Wrong(String),
}

pub(super) struct Connection {
    stream: TcpStream,
    input: Box<[u8; ANSWER_MAX]>,
    filled: usize,
    /// The request under way.
    pub(super) under_way: Option<UnderWay>,
}

/// A request without an answer yet.
#[derive(Clone, Copy)]
pub(super) struct UnderWay {
    /// Which webhook it carries.
    pub(super) webhook: u64,
    /// When it was meant to leave.
    pub(super) scheduled: Instant,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("cannot connect to http://{address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: Box::new([0; ANSWER_MAX]),
            filled: 0,
            under_way: None,
        })
    }

    /// Sends a request, each of its parts as a segment of its own; one may be empty. An error says that the server has
    /// closed the connection.
    pub(super) fn send(&mut self, parts: [&[u8]; 2], under_way: UnderWay) -> io::Result<()> {
        self.under_way = Some(under_way);
        self.filled = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            // The socket's buffer is empty, so a few hundred bytes always fit.
            if self.stream.write(part)? != part.len() {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Reads what has come.
    pub(super) fn receive(&mut self) -> Result<News> {
        match self.stream.read(&mut self.input[self.filled..]) {
            Ok(0) => return Ok(News::Closed),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(News::Nothing),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(News::Closed),
            Err(error) => return Err(error).context("cannot receive"),
        }
        ensure!(
            self.filled < ANSWER_MAX,
            "an answer of more than {ANSWER_MAX} bytes"
        );
        Ok(parse(&self.input[..self.filled])?.map_or(News::Nothing, News::Answer))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The answer in `bytes`, or `None` while it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let Some(head) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let body = bytes.len() - head - 4;
    let head = std::str::from_utf8(&bytes[..head]).context("an answer's head is not text")?;
    let length: usize = header(head, "content-length")
        .and_then(|length| length.parse().ok())
        .context("an answer without a Content-Length")?;
    if body < length {
        return Ok(None);
    }
    let first_line = head.lines().next().unwrap_or_default();
    Ok(Some(match first_line.get(9..12) {
        Some("202") => Answer::Accepted,
        Some("503") if header(head, "retry-after").is_some() => Answer::Later,
        Some("503") => Answer::Wrong("503 without Retry-After".into()),
        _ => Answer::Wrong(first_line.into()),
    }))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};

    #[test]
    fn an_answer_counts_once_it_is_complete() {
        let whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        for part in 0..whole.len() {
            assert_eq!(parse(&whole[..part]).unwrap(), None, "{part}");
        }
        assert_eq!(parse(whole).unwrap(), Some(Answer::Accepted));
    }

    #[test]
    fn a_503_must_say_when_to_come_back() {
        let with =
            b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parse(with).unwrap(), Some(Answer::Later));
        let without = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(parse(without).unwrap(), Some(Answer::Wrong(_))));
    }
}

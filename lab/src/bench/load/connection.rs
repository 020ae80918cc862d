//! One kept-alive HTTP/1.1 connection with at most one request under way.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use httparse::{EMPTY_HEADER, Response, Status};

/// Bytes that an answer may have, head and body. The service's have about 350.
const ANSWER_MAX: usize = 8 * 1024;
/// Headers that an answer may have. The service's have 8.
const HEADERS_MAX: usize = 32;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing, or only a part.
    Nothing,
    /// The status that the sender takes for a success.
    Accepted,
    /// `503` with `Retry-After`: send it again later.
    Later,
    /// The server has closed the connection.
    Closed,
}

pub(super) struct Connection {
    stream: TcpStream,
    input: Box<[u8; ANSWER_MAX]>,
    filled: usize,
    accepted: u16,
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
    /// `accepted` is the status of success.
    pub(super) fn open(address: SocketAddr, accepted: u16) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("cannot connect to http://{address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: Box::new([0; ANSWER_MAX]),
            filled: 0,
            accepted,
            under_way: None,
        })
    }

    /// Sends a request in so many segments. An error says that the server has closed the connection.
    pub(super) fn send(&mut self, segments: &[String], under_way: UnderWay) -> io::Result<()> {
        self.under_way = Some(under_way);
        self.filled = 0;
        // The socket's buffer is empty, so a kilobyte or two always fit.
        let mut segments = segments.iter();
        segments.try_for_each(|segment| self.stream.write_all(segment.as_bytes()))
    }

    /// Reads what has come. Any answer but acceptance, and 503 with `Retry-After`, is an error.
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
        parse(&self.input[..self.filled], self.accepted)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The answer in `bytes`; nothing while it is incomplete.
fn parse(bytes: &[u8], accepted: u16) -> Result<News> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = Response::new(&mut headers);
    let Status::Complete(body) = head.parse(bytes).context("an answer that is not HTTP")? else {
        return Ok(News::Nothing);
    };
    let header = |name: &str| {
        let mut headers = head.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let length: usize = header("content-length")
        .and_then(|length| length.parse().ok())
        .context("an answer without a Content-Length")?;
    if bytes.len() < body + length {
        return Ok(News::Nothing);
    }
    match head.code.unwrap_or_default() {
        code if code == accepted => Ok(News::Accepted),
        503 if header("retry-after").is_some() => Ok(News::Later),
        503 => bail!("the service answered 503 without Retry-After"),
        code => bail!(
            "the service answered {code} {}",
            head.reason.unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{News, parse};

    #[test]
    fn an_answer_counts_once_it_is_complete() {
        let whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        for part in 0..whole.len() {
            let news = parse(&whole[..part], 202).unwrap();
            assert_eq!(news, News::Nothing, "{part}");
        }
        assert_eq!(parse(whole, 202).unwrap(), News::Accepted);
        assert!(parse(whole, 200).is_err(), "another sender's success");
    }

    #[test]
    fn a_503_must_say_when_to_come_back() {
        let with =
            b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(parse(with, 202).unwrap(), News::Later);
        let without = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        let error = parse(without, 202).unwrap_err().to_string();
        assert!(error.contains("without Retry-After"), "{error}");
    }
}

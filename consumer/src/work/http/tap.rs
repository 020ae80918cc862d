//! A tap on a connection: remembers what has come since a request was sent, for the case that the HTTP
//! library makes nothing of it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::raw::{self, Fragment, NoStatus};

/// Bytes of an answer that are read before its head has been understood, interim heads included.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What has come over a connection since the request that is under way. Clones are the same record.
#[derive(Clone, Debug, Default)]
pub(super) struct Record(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    /// A request is under way, and nobody has understood its answer yet.
    is_on: bool,
    bytes: Vec<u8>,
}

impl Record {
    /// A request begins: what comes from now on belongs to its answer.
    pub(super) fn begin(&self) {
        *self.recorded() = Recorded {
            is_on: true,
            bytes: Vec::new(),
        };
    }

    /// The head of the answer has been understood. Nothing is remembered any more.
    pub(super) fn end(&self) {
        *self.recorded() = Recorded::default();
    }

    /// Whether not a single byte of an answer has come.
    pub(super) fn is_empty(&self) -> bool {
        self.recorded().bytes.is_empty()
    }

    /// What can be made of what has come.
    pub(super) fn read(&self) -> Result<Fragment, NoStatus> {
        raw::read(&self.recorded().bytes)
    }

    fn is_full(&self) -> bool {
        self.recorded().bytes.len() >= HEAD_BYTES_MAX
    }

    fn note(&self, bytes: &[u8]) {
        let mut recorded = self.recorded();
        if recorded.is_on {
            let room = HEAD_BYTES_MAX.saturating_sub(recorded.bytes.len());
            recorded.bytes.extend(bytes.iter().take(room));
        }
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        // Nothing that panics happens under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream with a tap on it.
pub(super) struct Tap<S> {
    stream: S,
    record: Record,
    /// The other side takes nothing more.
    is_deaf: bool,
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S, record: Record) -> Self {
        Self {
            stream,
            record,
            is_deaf: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.record.is_full() {
            return Poll::Ready(Err(io::Error::other("its head is too long")));
        }
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if let Some(new) = buffer.filled().get(before..) {
            self.record.note(new);
        }
        Poll::Ready(outcome)
    }
}

/// Writing to a service that has hung up succeeds: it may have answered before it did (413, say), and the
/// HTTP library gives up at the first error, without a look at what there is to be read. If there is
/// nothing, reading says so.
impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        match ready!(Pin::new(&mut self.stream).poll_write(context, bytes)) {
            Err(error) if has_hung_up(&error) => {
                self.is_deaf = true;
                Poll::Ready(Ok(bytes.len()))
            }
            outcome => Poll::Ready(outcome),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(&mut self.stream).poll_flush(context)) {
            Err(error) if has_hung_up(&error) => {
                self.is_deaf = true;
                Poll::Ready(Ok(()))
            }
            outcome => Poll::Ready(outcome),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn has_hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Has said something, and has hung up with this error.
    struct HungUp {
        said: &'static [u8],
        error: io::ErrorKind,
    }

    impl AsyncRead for HungUp {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(std::mem::take(&mut self.said));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for HungUp {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(self.error.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(self.error.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_a_service_said_before_it_hung_up_can_be_read() {
        for error in [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset] {
            let said = b"HTTP/1.1 413 No\r\n";
            let record = Record::default();
            let mut tap = Tap::new(HungUp { said, error }, record.clone());
            record.begin();
            tap.flush().await.unwrap();
            tap.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
            let mut heard = Vec::new();
            tap.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, said);
            assert_eq!(record.read().unwrap().status, 413);
        }
        let error = io::ErrorKind::OutOfMemory;
        let mut tap = Tap::new(HungUp { said: b"", error }, Record::default());
        assert!(tap.write_all(b"POST").await.is_err());
    }

    #[tokio::test]
    async fn what_comes_is_remembered_while_a_request_waits_for_its_head() {
        let record = Record::default();
        let stream: &[u8] = b"0123";
        let mut tap = Tap::new(tokio::io::join(stream, tokio::io::sink()), record.clone());
        tap.read_u8().await.unwrap();
        assert!(record.is_empty());
        record.begin();
        tap.read_u8().await.unwrap();
        assert!(!record.is_empty());
        record.end();
        tap.read_u8().await.unwrap();
        assert!(record.is_empty());
    }

    #[tokio::test]
    async fn a_head_is_not_read_without_end() {
        let record = Record::default();
        let stream = tokio::io::join(tokio::io::repeat(b'x'), tokio::io::sink());
        let mut tap = Tap::new(stream, record.clone());
        record.begin();
        let mut heard = Vec::new();
        assert!(tap.read_to_end(&mut heard).await.is_err());
        assert!((HEAD_BYTES_MAX..2 * HEAD_BYTES_MAX).contains(&heard.len()));
    }
}

//! A connection's socket, with an end to everything that its client may put off.
//!
//! hyper limits how long a request's head may take, and cannot tell one that has begun from one that nobody has thought
//! of yet; and it waits for ever for a client that does not read its answer. Here each has its own time, and one timer serves
//! them all.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::places::Guest;

/// From the first byte of a request to the end of its head.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// From the moment in which an answer cannot be written further to the end of the answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Listening on to somebody who was answered before they had said all. A socket that is closed with unread bytes in it
/// takes its last answer back (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

pub(super) struct Socket<S> {
    stream: S,
    guest: Arc<Guest>,
    /// How long it may rest between two requests.
    keep_alive: Duration,
    /// Since when it rests, or the request's head comes in.
    waits_since: Instant,
    has_begun: bool,
    /// Since when the answer cannot be written further.
    stalled: Option<Instant>,
    /// Until when it still listens, once it has said its last word.
    lingers: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, guest: Arc<Guest>, keep_alive: Duration) -> Self {
        let now = Instant::now();
        Self {
            stream,
            guest,
            keep_alive,
            waits_since: now,
            has_begun: false,
            stalled: None,
            lingers: None,
            timer: Box::pin(sleep_until(now + keep_alive)),
        }
    }

    /// From now on it waits for a request that has not begun yet, or for the rest of one that has.
    fn waits(&mut self, has_begun: bool) {
        self.waits_since = Instant::now();
        self.has_begun = has_begun;
    }

    /// Ready when it is `deadline`. Deadlines mostly move ahead: the timer is set anew when it has run out, not each time.
    fn poll_until(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn poll_written<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let stalled = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.poll_until(stalled + ANSWER_WITHIN, context));
        Poll::Ready(Err(late("the client does not read its answer")))
    }
}

fn late(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.guest.is_busy() {
            // A body's time is the affair of whoever reads it.
            return read;
        }
        if read.is_ready() {
            if !self.has_begun && buffer.filled().len() > before {
                self.waits(true);
            }
            return read;
        }
        let (within, what) = match self.has_begun {
            true => (HEAD_WITHIN, "the request's head does not end"),
            false => (self.keep_alive, "the client rests"),
        };
        let deadline = self.waits_since + within;
        ready!(self.poll_until(deadline, context));
        Poll::Ready(Err(late(what)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper asks for this when it has written all it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.stalled = None;
            if self.guest.all_is_written() {
                self.waits(false);
            }
        }
        self.poll_written(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if !self.has_begun && !self.guest.is_sent_away() {
            return Poll::Ready(Ok(()));
        }
        let end = *(self.lingers).get_or_insert_with(|| Instant::now() + LINGER);
        let mut unread = [0; 4096];
        loop {
            let mut unread = ReadBuf::new(&mut unread);
            match Pin::new(&mut self.stream).poll_read(context, &mut unread) {
                Poll::Ready(Ok(())) if !unread.filled().is_empty() && Instant::now() < end => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return self.poll_until(end, context).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(620);

    fn socket() -> (Socket<DuplexStream>, DuplexStream, Arc<Guest>) {
        let (ours, theirs) = duplex(64);
        let guest = Arc::new(Guest::new(Instant::now()));
        (Socket::new(ours, guest.clone(), KEEP_ALIVE), theirs, guest)
    }

    async fn read(socket: &mut Socket<DuplexStream>) -> io::Result<usize> {
        socket.read(&mut [0; 64]).await
    }

    /// Reads a request, and answers it.
    async fn answer(socket: &mut Socket<DuplexStream>, guest: &Guest) {
        read(socket).await.unwrap();
        guest.asks();
        tokio::time::sleep(Duration::from_secs(5)).await;
        guest.is_answered(false);
        socket.write_all(b"answer").await.unwrap();
        socket.flush().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_for_its_time_after_each_answer() {
        let (mut socket, mut theirs, guest) = socket();
        for _ in 0..3 {
            theirs.write_all(b"request").await.unwrap();
            answer(&mut socket, &guest).await;
            let begun = Instant::now();
            let almost = KEEP_ALIVE - Duration::from_secs(1);
            tokio::time::timeout(almost, read(&mut socket))
                .await
                .unwrap_err();
            assert_eq!(begun.elapsed(), almost);
        }
        let error = read(&mut socket).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_must_end() {
        let (mut socket, mut theirs, guest) = socket();
        theirs.write_all(b"request").await.unwrap();
        answer(&mut socket, &guest).await;
        theirs.write_all(b"GE").await.unwrap();
        read(&mut socket).await.unwrap();
        let begun = Instant::now();
        let dripping = async {
            loop {
                tokio::time::sleep(Duration::from_secs(7)).await;
                theirs.write_all(b"T").await.unwrap();
            }
        };
        let reading = async { while read(&mut socket).await.is_ok() {} };
        tokio::select! {
            () = dripping => {}
            () = reading => {}
        }
        assert_eq!(begun.elapsed(), HEAD_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_read_however_slowly_it_is() {
        let (mut socket, mut theirs, guest) = socket();
        guest.asks();
        let begun = Instant::now();
        let dripping = async {
            loop {
                tokio::time::sleep(Duration::from_secs(7)).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };
        let writing = async { socket.write_all(&[0; 1000]).await.unwrap_err() };
        let error = tokio::select! {
            () = dripping => unreachable!(),
            error = writing => error,
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), ANSWER_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_read_is_listened_to_for_a_moment() {
        let (mut socket, mut theirs, guest) = socket();
        guest.asks();
        guest.is_answered(true);
        let speaking = async {
            let much = theirs.write_all(&[0; 1000]).await;
            much.unwrap();
            std::future::pending::<()>().await;
        };
        let begun = Instant::now();
        tokio::select! {
            () = speaking => {}
            done = socket.shutdown() => done.unwrap(),
        }
        assert_eq!(begun.elapsed(), LINGER);
    }
}

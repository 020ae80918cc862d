//! One connection: to the service, over TCP and perhaps TLS, and what HTTP says on it.
//!
//! No task runs a connection: whoever waits for it drives it meanwhile, and who drops it ends it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
};

use futures::FutureExt as _;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::Instant};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::{
    raw::NoStatus,
    tap::{HEAD_BYTES_MAX, Record, Tap},
};

pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Bytes that are read at once of what it has given up.
const PIECE_BYTES: usize = 4 * 1024;

pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    record: Record,
    /// It is not used for a new request after this.
    pub(super) expires: Instant,
}

impl Connection {
    pub(super) async fn begin(stream: Stream, expires: Instant) -> Result<Self, hyper::Error> {
        let record = Record::default();
        let io = TokioIo::new(Tap::new(stream, record.clone()));
        let (sender, connection) = http1::Builder::new()
            // Both leave no doubt where what begins and ends, and recipients are asked to put up with them:
            // RFC 9112, sections 5.1 and 5.2.
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(io)
            .await?;
        Ok(Self {
            sender,
            driver: Driver {
                connection,
                has_ended: false,
            },
            record,
            expires,
        })
    }

    /// What has come since the last request, for as long as its answer's head has not been understood.
    pub(super) fn record(&self) -> Record {
        self.record.clone()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.record.begin();
        let response = self
            .driver
            .during(self.sender.send_request(request))
            .await?;
        self.record.end();
        Ok(response)
    }

    /// Waits for something that comes over this connection.
    pub(super) async fn during<T>(&mut self, something: impl Future<Output = T>) -> T {
        self.driver.during(something).await
    }

    /// Whether it could take a request now: its last answer has been read to the end, and the service has
    /// not hung up since.
    pub(super) fn is_ready(&mut self) -> bool {
        let ready = self.driver.during(self.sender.ready()).now_or_never();
        matches!(ready, Some(Ok(()))) && !self.driver.has_ended
    }

    /// Reads on after the HTTP library has given the answer up, until it is known what the status is or that
    /// there is none. An interim head may have been at fault, say, and the final one be still to come.
    pub(super) async fn read_on(self) {
        let mut stream = self.driver.connection.into_parts().io.into_inner();
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        while !self.record.is_empty() && self.record.read() == Err(NoStatus::Yet) {
            piece.clear();
            if !matches!(stream.read_buf(&mut piece).await, Ok(1..)) {
                return;
            }
        }
    }
}

/// Everything that HTTP does on a connection.
struct Driver {
    connection: http1::Connection<TokioIo<Tap<Stream>>, Full<Bytes>>,
    /// It has come to its end, whatever it was, and must not be polled again. Whoever waited for something
    /// has been told why.
    has_ended: bool,
}

impl Driver {
    async fn during<T>(&mut self, something: impl Future<Output = T>) -> T {
        let mut something = pin!(something);
        poll_fn(|context| {
            if !self.has_ended {
                self.has_ended = Pin::new(&mut self.connection).poll(context).is_ready();
            }
            something.as_mut().poll(context)
        })
        .await
    }
}

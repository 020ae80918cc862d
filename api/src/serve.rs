//! The socket: accepts connections and gives each a time to say what it wants, and to hear the answer.
//!
//! poem's own server gives hyper no timer, so a client that never finishes its request headers, or never reads its answer, would
//! keep its connection for ever; and it retries a failing `accept` without a pause. This loop is what is
//! left when that is mended; the endpoint behind it is poem's.

mod places;
mod socket;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown};
use poem::{
    Addr, Endpoint,
    http::{HeaderValue, Response, header, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{Drain, metrics::Requests, shed::Shedder};
use places::{Guest, Places};
use socket::Socket;

/// Bytes of a request's first line and headers.
const HEADERS_BYTES_MAX: usize = 32 * 1024;
/// After `accept` failed (out of file descriptors, mostly): time for others to finish.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are kept and ended.
#[derive(Clone, Copy)]
pub struct Settings {
    /// How long a connection may rest between two requests.
    pub keep_alive: Duration,
    /// How long open requests may take to end when the API stops.
    pub grace: Duration,
}

/// Where connections come in, and how many.
pub(crate) struct Entrance {
    pub(crate) listener: TcpListener,
    /// At once. When more want to come in, those that rest make room; the others wait in the kernel's queue.
    pub(crate) connections_max: usize,
    /// What stands before the endpoint, if webhooks come in here.
    pub(crate) shedder: Option<Shedder>,
    /// Where requests are counted, if they are.
    pub(crate) requests: Option<Arc<Requests>>,
}

/// Serves `endpoint` until `stop`; then lets open requests end.
pub(crate) async fn run(
    entrance: Entrance,
    settings: Settings,
    endpoint: impl Endpoint + 'static,
    drain: Drain,
    stop: CancellationToken,
) {
    let Entrance {
        listener,
        connections_max,
        shedder,
        requests,
    } = entrance;
    let places = Places::new(connections_max);
    let graceful = GracefulShutdown::new();
    let answers = Arc::new(Answers {
        local: listener.local_addr().map_or_else(
            |_| LocalAddr::default(),
            |address| LocalAddr(address.into()),
        ),
        shedder,
        endpoint,
        requests,
        drain,
    });
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        let place = tokio::select! {
            place = places.take() => place,
            () = stop.cancelled() => break,
        };
        // Answers are small and written whole: Nagle's algorithm could only delay them.
        let _ = stream.set_nodelay(true);
        let socket = Socket::new(stream, place.guest.clone(), settings.keep_alive);
        let connection = connection(socket, peer, place.guest.clone(), answers.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // A connection that breaks is its client's affair.
                _ = connection => {}
                () = place.guest.is_to_leave() => {}
            }
        });
    }
    drop(listener);
    // Only `connection` and this function hold these, so the writer behind them ends when they do.
    drop(answers);
    let grace = settings.grace;
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            event = "connections_cut",
            ?grace,
            "connections were still open after the grace period"
        );
    }
}

/// The next connection; `None` on `stop`.
async fn accept(
    listener: &TcpListener,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!(event = "accept_failed", %error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        next = next => Some(next),
        () = stop.cancelled() => None,
    }
}

/// What answers the requests of every connection.
struct Answers<E> {
    local: LocalAddr,
    shedder: Option<Shedder>,
    endpoint: E,
    requests: Option<Arc<Requests>>,
    drain: Drain,
}

fn connection(
    socket: Socket<TcpStream>,
    peer: SocketAddr,
    guest: Arc<Guest>,
    answers: Arc<Answers<impl Endpoint + 'static>>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let remote = RemoteAddr(Addr::from(peer));
    let service = service_fn(move |request: Request<Incoming>| {
        guest.asks();
        let (answers, guest, remote) = (answers.clone(), guest.clone(), remote.clone());
        let began = Instant::now();
        let requests = answers.requests.as_ref();
        let route = requests.map(|requests| requests.route(request.uri().path()));
        let method = request.method().clone();
        async move {
            let shedder = answers.shedder.as_ref();
            let mut response = if let Some(shedder) = shedder.filter(|it| it.sheds(&request)) {
                shedder.refuse(request).await
            } else {
                let request = (request, answers.local.clone(), remote, Scheme::HTTP).into();
                // In a box, as hyper moves what this returns, and so it is small for what is shed.
                Response::from(Box::pin(answers.endpoint.get_response(request)).await)
            };
            let headers = response.headers_mut();
            if answers.drain.is_closing() {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            guest.is_answered(headers.contains_key(header::CONNECTION));
            let (status, after) = (response.status(), began.elapsed());
            if let (Some(requests), Some(route)) = (&answers.requests, route) {
                requests.answered(route, &method, status, after);
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    http1::Builder::new()
        // Whoever closes their side after a request is still owed its answer. Also, watching for that end while the
        // answer is made would take another buffer for every request.
        .half_close(true)
        // The socket's own limits take its place.
        .header_read_timeout(None)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service)
}

//! The socket: accepts connections and gives each a time to say what it wants.
//!
//! poem's own server gives hyper no timer, so a client that never finishes its request headers would
//! keep its connection for ever, and retries a failing `accept` without a pause. This loop is what is
//! left when both are mended; the endpoint behind it is poem's.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use poem::{
    Addr, Endpoint,
    http::{Response, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use crate::admission::Door;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// From the first byte of a request, or the end of the one before, to the end of its headers. Longer than proxies keep a
/// connection that rests (60 s by default in nginx and in AWS's load balancers): the one that closes it must be theirs, or
/// they send a webhook into a connection that we are just closing, and answer 502 for us.
const HEADERS_WITHIN: Duration = Duration::from_secs(75);
/// Bytes of a request's first line and headers.
const HEADERS_BYTES_MAX: usize = 32 * 1024;
/// After `accept` failed (out of file descriptors, mostly): time for others to finish.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `endpoint` until `stop`; then lets open requests end, for at most `grace`.
pub(crate) async fn run(
    listener: TcpListener,
    door: Door,
    endpoint: impl Endpoint + 'static,
    grace: Duration,
    stop: CancellationToken,
) {
    let endpoint = Arc::new(endpoint);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let local = listener.local_addr();
    if let Ok(address) = &local {
        tracing::info!("listening on http://{address}");
    }
    let local = local.map_or_else(
        |_| LocalAddr::default(),
        |address| LocalAddr(address.into()),
    );
    while let Some((stream, peer, slot)) = accept(&listener, &slots, &stop).await {
        let connection = connection(stream, peer, local.clone(), door.clone(), endpoint.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is its client's affair.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    // Only `connection` and this function hold these, so the writer behind them ends when they do.
    drop((door, endpoint));
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(?grace, "connections were still open after the grace period");
    }
}

/// The next connection and its slot; `None` on `stop`.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let next = async {
        let slot = slots.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, slot)),
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        next = next => next,
        () = stop.cancelled() => None,
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    local: LocalAddr,
    door: Door,
    endpoint: Arc<impl Endpoint + 'static>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Answers are small and written whole: Nagle's algorithm could only delay them.
    let _ = stream.set_nodelay(true);
    let remote = RemoteAddr(Addr::from(peer));
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, endpoint) = (door.clone(), endpoint.clone());
        let addresses = (local.clone(), remote.clone());
        async move {
            if door.turns_away(&request) {
                return Ok(door.refuse(request).await);
            }
            let (local, remote) = addresses;
            let request = poem::Request::from((request, local, remote, Scheme::HTTP));
            // In a box, as hyper moves what this returns, and so it is small for whom the door turns away.
            let response = Box::pin(endpoint.get_response(request)).await;
            Ok::<_, std::convert::Infallible>(Response::from(response))
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        // Whoever closes their side after a request is still owed its answer. Also, watching for that end while the
        // answer is made would take another buffer for every request.
        .half_close(true)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}

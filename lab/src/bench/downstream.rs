//! What the work calls where it is a call: a service that takes everything, and costs little.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Connections that may wait to be accepted: more than a portion of retries may open at once. What finds no room is tried again
/// by the system, but only after a second.
const BACKLOG: u32 = 4096;

/// A listening downstream. Dropping it ends it.
pub(super) struct Downstream {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Downstream {
    /// Starts one that answers every call with 200, `delay` after it has read it.
    pub(super) async fn start(delay: Duration) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG);
        let listener = listener.context("downstream cannot listen")?;
        Ok(Self {
            address: listener.local_addr()?,
            task: tokio::spawn(serve(listener, delay)),
        })
    }
}

impl Drop for Downstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, delay: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(converse(stream, delay));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, delay: Duration) {
    let service = service_fn(async |request: Request<Incoming>| {
        // What breaks off has nobody who waits for the answer.
        let _ = request.into_body().collect().await;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    // An error is the caller's end.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

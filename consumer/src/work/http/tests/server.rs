//! Downstream services on loopback: one that speaks HTTP properly and remembers what it got, and one whose bytes the
//! test writes itself.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Response,
    body::{Bytes, Incoming},
    http::request::Parts,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
pub(super) struct Seen {
    /// The number of its connection.
    pub(super) connection: usize,
    pub(super) head: Parts,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

type Requests = Arc<Mutex<Vec<Seen>>>;
type Answer = fn(&Parts) -> Response<Full<Bytes>>;

/// Speaks HTTP.
pub(super) struct Server {
    pub(super) place: String,
    requests: Requests,
}

impl Server {
    pub(super) async fn start(answer: Answer) -> Self {
        Self::listen(answer, None).await
    }

    /// With a certificate for `localhost` that only itself vouches for.
    pub(super) async fn start_tls(answer: Answer) -> (Self, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (Self::listen(answer, Some(acceptor)).await, certificate)
    }

    async fn listen(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let (listener, place) = listener().await;
        let requests = Requests::default();
        let all = requests.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (all, tls) = (all.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(stream, connection, answer, all).await;
                    };
                    // A caller that does not believe the certificate ends it here.
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, connection, answer, all).await;
                    }
                });
            }
        });
        Self { place, requests }
    }

    /// What has come since the last time this was asked.
    pub(super) fn requests(&self) -> Vec<Seen> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: usize,
    answer: Answer,
    requests: Requests,
) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let requests = requests.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let response = answer(&head);
            requests.lock().unwrap().push(Seen {
                connection,
                head,
                body,
            });
            Ok::<_, hyper::Error>(response)
        }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Takes every request in, and leaves the answer to `converse`. Returns where it listens.
pub(super) async fn raw<C, F>(converse: C) -> String
where
    C: Fn(TcpStream) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, place) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let converse = converse.clone();
            tokio::spawn(async move {
                if receive(&mut stream).await {
                    converse(stream).await;
                }
            });
        }
    });
    place
}

/// Reads a request. Returns whether one came.
async fn receive(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

/// Answers each request with bytes of its own, and remembers over which connection it came.
pub(super) struct Scripted {
    pub(super) place: String,
    connections: Arc<Mutex<Vec<usize>>>,
}

/// What becomes of a request.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Say(&'static [u8]),
    /// Closes the connection in an orderly way.
    Close,
    /// Resets the connection.
    Reset,
    /// Says nothing more.
    Hang,
}

impl Scripted {
    /// The first list is for the requests that come over the first connection, and so on. After its list a
    /// connection is closed.
    pub(super) async fn start(script: &[&[Reply]]) -> Self {
        let (listener, place) = listener().await;
        let script: Vec<Vec<Reply>> = script.iter().map(|replies| replies.to_vec()).collect();
        let connections = Arc::default();
        let all: Arc<Mutex<Vec<usize>>> = Arc::clone(&connections);
        tokio::spawn(async move {
            for (connection, replies) in script.into_iter().enumerate() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let all = all.clone();
                tokio::spawn(async move {
                    for reply in replies {
                        if !receive(&mut stream).await {
                            return;
                        }
                        all.lock().unwrap().push(connection);
                        match reply {
                            Reply::Say(bytes) => stream.write_all(bytes).await.unwrap(),
                            Reply::Close => return,
                            Reply::Reset => return stream.set_zero_linger().unwrap(),
                            Reply::Hang => std::future::pending().await,
                        }
                    }
                });
            }
        });
        Self { place, connections }
    }

    /// The number of its connection for each request that has come.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.connections.lock().unwrap().clone()
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("localhost:{port}"))
}

//! What the tests begin with: a database without a server, and somebody who is told.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use consumer::work::http::{self, Downstream};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use tokio::net::TcpListener;

use super::Post;

pub async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

pub async fn execute(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.unwrap();
}

/// Whoever is told.
pub struct Receiver {
    pub post: Post,
    told: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Receiver {
    /// Answers with these, one after the other, and with 204 after that.
    pub async fn start(first: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = http::Settings {
            url: format!("http://{}/", listener.local_addr().unwrap()),
            secret: None,
            timeout: Duration::from_secs(10),
        };
        let told: Arc<Mutex<Vec<_>>> = Arc::default();
        tokio::spawn(serve(listener, first, told.clone()));
        Self {
            post: Post(Downstream::new(settings).unwrap()),
            told,
        }
    }

    /// Ids and bodies so far.
    pub fn told(&self) -> Vec<(String, Bytes)> {
        self.told.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    first: &'static [u16],
    told: Arc<Mutex<Vec<(String, Bytes)>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let told = told.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let told = told.clone();
            async move {
                let (head, body) = request.into_parts();
                let id = head.headers["webhook-id"].to_str().unwrap().to_owned();
                let body = body.collect().await.unwrap().to_bytes();
                let mut told = told.lock().unwrap();
                let status = first.get(told.len()).copied().unwrap_or(204);
                told.push((id, body));
                let response = Response::builder().status(status);
                Ok::<_, Infallible>(response.body(Full::new(Bytes::new())).unwrap())
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

//! The HTTP client: one exchange, over a connection that was kept or a new one. It follows no redirect and
//! repeats a request in one case only.

use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    body::Bytes,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    http::response::Parts,
};

use super::{
    address::Address,
    answer::Answer,
    connect::{Connector, Roots},
    connection::Connection,
    error::Error,
    pool::{Limits, Pool},
    progress::{Progress, Stage},
    silence::Silence,
};

pub(super) struct Client {
    connector: Connector,
    pool: Pool,
}

impl Client {
    pub(super) fn new(address: &Address, roots: Roots, limits: Limits) -> Result<Self, Error> {
        Ok(Self {
            connector: Connector::new(address, roots, limits.lifetime)?,
            pool: Pool::new(limits),
        })
    }

    /// Makes a connection, and closes it.
    pub(super) async fn reach(&self) -> Result<(), Silence> {
        let connection = self.connector.connect(&mut Progress::default()).await?;
        drop(connection);
        Ok(())
    }

    /// Sends the request, and reads the answer into `progress`. An error says why there is none, unless
    /// there is.
    ///
    /// A service may close a connection that was kept at the moment when a request is sent over it. Then it
    /// has not seen the request, most probably, and says nothing; or it says 408, which may be an answer to
    /// its own waiting (RFC 9110, sections 9.2.2 and 15.5.9). So the request is sent once more, over a new
    /// connection. If it was seen after all, its idempotency key tells.
    pub(super) async fn exchange(
        &self,
        request: &Request<Full<Bytes>>,
        progress: &mut Progress,
    ) -> Result<(), Silence> {
        if let Some(kept) = self.pool.take() {
            let outcome = self.exchange_over(kept, request, progress).await;
            let was_closed = match &progress.answer {
                Some(answer) => answer.status() == StatusCode::REQUEST_TIMEOUT,
                None => progress.record.is_empty(),
            };
            if !was_closed {
                return outcome;
            }
            *progress = Progress::default();
        }
        let connection = self.connector.connect(progress).await?;
        self.exchange_over(connection, request, progress).await
    }

    async fn exchange_over(
        &self,
        mut connection: Connection,
        request: &Request<Full<Bytes>>,
        progress: &mut Progress,
    ) -> Result<(), Silence> {
        progress.stage = Stage::Asked;
        progress.record = connection.record();
        match connection.send(request.clone()).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let answer = progress.answer.insert(Answer::new(&head));
                connection.during(answer.read(body)).await;
                if !announces_too_much(&head) {
                    self.pool.put(connection);
                }
                Ok(())
            }
            Err(error) => {
                connection.read_on().await;
                Err(Silence::of(&error, Silence::Lost))
            }
        }
    }
}

/// Whether a body is announced where there is none. Some servers send it all the same, and it would be taken
/// for the next answer.
fn announces_too_much(head: &Parts) -> bool {
    let has_no_body = matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    has_no_body
        && [CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|name| head.headers.contains_key(name))
}

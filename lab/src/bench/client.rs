//! Whoever looks something up, or changes something, over HTTP.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::service::ADMIN_TOKEN;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Asks one thing after the other, on one connection that is kept.
pub(super) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
}

/// An answer that has come whole, or as far as was asked for.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// From the request to the last byte of that.
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("an answer that is not JSON")
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Result<Self> {
        ensure!(
            address.ip().is_loopback(),
            "only this machine is asked anything"
        );
        let http = reqwest::Client::builder().timeout(WITHIN).no_proxy();
        Ok(Self {
            http: http.build()?,
            address,
        })
    }

    /// Asks for a path with its query.
    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        let began = Instant::now();
        let response = self.http.get(self.url(path)).send().await?;
        let status = response.status();
        let body = response.bytes().await?.to_vec();
        Ok(Answer {
            status,
            body,
            took: began.elapsed(),
        })
    }

    /// Asks for a path whose answer goes on, and reads what comes first.
    pub(super) async fn get_first(&self, path: &str) -> Result<Answer> {
        let began = Instant::now();
        let mut response = self.http.get(self.url(path)).send().await?;
        let status = response.status();
        let body = response.chunk().await?.unwrap_or_default().to_vec();
        Ok(Answer {
            status,
            body,
            took: began.elapsed(),
        })
    }

    /// What a path shows, which must be there.
    pub(super) async fn show(&self, path: &str) -> Result<Value> {
        self.json(self.http.get(self.url(path)), StatusCode::OK)
            .await
    }

    /// Asks for a change, as an operator, and returns what is said to have begun.
    pub(super) async fn begin(&self, path: &str, what: &Value) -> Result<Value> {
        let request = self.http.post(self.url(path)).bearer_auth(ADMIN_TOKEN);
        self.json(request.json(what), StatusCode::ACCEPTED).await
    }

    async fn json(&self, request: RequestBuilder, expected: StatusCode) -> Result<Value> {
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status == expected, "the service answered {status}: {text}");
        serde_json::from_str(&text).context("an answer that is not JSON")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

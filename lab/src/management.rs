//! What RabbitMQ's management console knows. Its figures are some five seconds old; for exact counts ask
//! [`crate::rabbitmq::message_count`].

use anyhow::{Context as _, Result, anyhow};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// The messages of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Depth {
    /// Ready to be delivered.
    #[serde(rename = "messages_ready")]
    pub ready: u64,
    /// With a consumer that has not settled them yet.
    #[serde(rename = "messages_unacknowledged")]
    pub unacknowledged: u64,
    /// Both together.
    #[serde(rename = "messages")]
    pub total: u64,
}

/// Returns the depth of `queue` in the virtual host `/`, or `None` while there is no such queue or RabbitMQ has no
/// figures for it yet. `management_url` carries user and password, as [`crate::rabbitmq::Server::management_url`] does.
pub async fn queue_depth(management_url: &str, queue: &str) -> Result<Option<Depth>> {
    let mut url = Url::parse(management_url).context("the management URL is not a URL")?;
    url.path_segments_mut()
        .map_err(|()| anyhow!("the management URL cannot have a path"))?
        .extend(["api", "queues", "/", queue]);
    let answer = reqwest::get(url).await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let body: serde_json::Value = answer.error_for_status()?.json().await?;
    // Without figures the keys are missing; anything else in the answer is not ours to judge.
    Ok(serde_json::from_value(body).ok())
}

//! Where operator events are posted.

use std::time::Duration;

use consumer::work::http::{self, Downstream};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::config::{BadSetting, Config};

/// How long the receiver may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Cheap to clone.
#[derive(Clone)]
pub struct Post(pub(super) Downstream);

#[derive(Serialize)]
struct Event<'e> {
    r#type: &'e str,
    timestamp: String,
    data: &'e serde_json::Value,
}

impl Post {
    /// To `ALERT_URL`, if that is set.
    pub fn of(config: &Config) -> Result<Option<Self>, BadSetting> {
        let Some(url) = config.alert_url.clone() else {
            return match config.alert_secret {
                Some(_) => Err(BadSetting(
                    "ALERT_URL must be set, because ALERT_SECRET is".into(),
                )),
                None => Ok(None),
            };
        };
        let settings = http::Settings {
            url,
            secret: config.alert_secret.clone(),
            timeout: WITHIN,
        };
        match Downstream::new(settings) {
            Ok(downstream) => Ok(Some(Self(downstream))),
            Err(error) => Err(BadSetting(error.about("ALERT"))),
        }
    }

    /// What is posted of an event of this type that happened now.
    pub fn body(kind: &str, data: &serde_json::Value) -> Vec<u8> {
        let timestamp = OffsetDateTime::now_utc().format(&Rfc3339);
        let event = Event {
            r#type: kind,
            timestamp: timestamp.unwrap_or_default(),
            data,
        };
        // Nothing in it cannot be written.
        serde_json::to_vec(&event).unwrap_or_default()
    }

    /// Posts it. An error says in a few words why it was not taken.
    pub async fn post(&self, id: Uuid, body: Vec<u8>) -> Result<(), String> {
        self.0.tell(id, body).await
    }
}

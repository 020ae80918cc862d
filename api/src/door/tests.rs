//! What becomes of a request to a source, from behind the socket.

mod entry;
mod events;
mod refused;

use entity::{Refusal, conflict, outbox, payload, refusal, transaction};
use poem::{Body, http::Method};
use source::{Settings, Verify};
use time::{Duration, OffsetDateTime};

use crate::{
    Sender,
    scene::service::{OK, SECRET, Service, borrowed, built, request, sender},
};

const EVENT: &str = r#"{"id":"evt_1","type":"charge.succeeded","created":1705314599,"amount":1.10,"path":"\/x","sign":"\u20b9"}"#;

async fn stripe() -> Service {
    Service::new([sender("stripe", "stripe")]).await
}

/// A source whose secret stands in a header, and whose events are the items of `events`.
fn batches() -> Sender {
    let settings = Settings {
        verify: Some(Verify::Header("X-Pass".into())),
        id: Some("json:/id".into()),
        kind: Some("json:/type".into()),
        split: Some("/events".into()),
        ..Settings::default()
    };
    built("batches", &settings)
}

const PASS: [(&str, &str); 1] = [("x-pass", SECRET)];

impl Service {
    async fn assert_empty(&self) {
        assert_eq!(self.count::<transaction::Entity>().await, 0);
        assert_eq!(self.count::<payload::Entity>().await, 0);
        assert_eq!(self.count::<outbox::Entity>().await, 0);
    }

    /// A genuine event goes through.
    async fn assert_well(&self, source: &str) {
        let id = uuid::Uuid::now_v7();
        let body = format!("{{\"id\":\"{id}\",\"type\":\"t\"}}");
        assert_eq!(self.send(source, body).await.status, OK);
        let path = format!("/v1/sources/{source}/transactions/{id}");
        assert_eq!(self.get(&path).await.status, OK);
    }

    /// The ledger, when it has so many lines.
    async fn ledger(&self, lines: usize) -> Vec<refusal::Model> {
        use sea_orm::EntityTrait as _;
        loop {
            let ledger = refusal::Entity::find().all(&self.db).await.unwrap();
            if ledger.len() >= lines {
                return ledger;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

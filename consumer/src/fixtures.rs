//! What tests begin with.

use entity::{
    Amount, Content, Event, Fields, Payload, Payment, SourceName, Webhook, lifecycle::Received,
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use uuid::Uuid;

/// A database with all tables, empty, in memory.
pub(crate) async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

/// A webhook of the built-in source, like no other.
pub(crate) fn received() -> Received {
    let id = Uuid::now_v7();
    let webhook = Webhook {
        source: SourceName::built_in(),
        transaction_id: id.to_string().parse().unwrap(),
        content: Content::Payment(payment()),
    };
    Received { id, webhook }
}

/// An event of another source, like no other, with this body.
pub(crate) fn received_event(body: Vec<u8>) -> Received {
    let id = Uuid::now_v7();
    let webhook = Webhook {
        source: "stripe".parse().unwrap(),
        transaction_id: id.to_string().parse().unwrap(),
        content: Content::Event(Box::new(event(body))),
    };
    Received { id, webhook }
}

pub(crate) fn payment() -> Payment {
    Payment {
        source_account: "a".parse().unwrap(),
        destination_account: "b".parse().unwrap(),
        amount: Amount::from(1),
        currency: "INR".parse().unwrap(),
        extra: None,
    }
}

pub(crate) fn event(body: Vec<u8>) -> Event {
    Event {
        kind: None,
        fields: Fields::default(),
        payload: Payload {
            content_type: None,
            headers: None,
            body,
            sent_at: None,
        },
    }
}

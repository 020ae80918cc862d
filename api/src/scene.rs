//! What the tests of the writer and of the relay begin with: a database without a server, and what is in it.

pub(crate) mod service;

use std::{sync::Arc, time::Duration};

use entity::{
    Amount, Content, Payment, SourceName, Webhook,
    lifecycle::{self, Pass, Received},
    outbox, retry,
};
use migration::{Migrator, MigratorTrait as _};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, EntityTrait as _,
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Sender, Sources};

/// A database with one connection: whoever holds that makes it as slow as can be.
pub(crate) async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

pub(crate) fn webhook(transaction_id: &str) -> Webhook {
    Webhook {
        source: SourceName::built_in(),
        transaction_id: transaction_id.parse().unwrap(),
        content: Content::Payment(Payment {
            source_account: "a".parse().unwrap(),
            destination_account: "b".parse().unwrap(),
            amount: Amount::from(1),
            currency: "INR".parse().unwrap(),
            extra: None,
        }),
    }
}

/// What never changes.
pub(crate) fn sources(senders: impl IntoIterator<Item = Sender>) -> watch::Receiver<Arc<Sources>> {
    let senders = senders.into_iter().map(Arc::new);
    let sources = Sources::new(senders, Vec::new());
    watch::channel(Arc::new(sources)).1
}

/// Commits one webhook that was received so long ago, and is due then.
pub(crate) async fn entry(db: &DatabaseConnection, age: Duration, due_in: Duration) -> Uuid {
    let millis = Pass::now() - age.as_millis() as u64;
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
    let webhook = webhook(&id.to_string());
    let received = [Received { id, webhook }];
    lifecycle::receive(db, &received, due_in).await.unwrap();
    id
}

/// One that is tried again, and was to be so many milliseconds ago.
pub(crate) async fn retry(db: &DatabaseConnection, overdue: i64) -> Uuid {
    let now = Pass::now() as i64;
    let row = retry::Model {
        id: Uuid::now_v7(),
        due_at: now - overdue,
        set_at: now - overdue - 1000,
        attempts: 1,
        failures: 1,
        crashes: 0,
        waits: true,
        earlier: 0,
        replay: false,
        bulk: None,
    };
    let id = row.id;
    let insert = retry::Entity::insert(retry::ActiveModel::from(row));
    insert.exec(db).await.unwrap();
    id
}

/// In how many milliseconds the id falls due, in whichever table it is.
pub(crate) async fn due_in(db: &DatabaseConnection, id: Uuid) -> i64 {
    let entry = outbox::Entity::find_by_id(id).one(db).await.unwrap();
    let retry = retry::Entity::find_by_id(id).one(db).await.unwrap();
    let entry = entry.map(|row| row.due_at);
    let due_at = entry.or(retry.map(|row| row.due_at)).unwrap();
    due_at - Pass::now() as i64
}

pub(crate) async fn execute(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.unwrap();
}

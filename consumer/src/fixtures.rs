//! What tests begin with.

use entity::{Amount, Webhook, lifecycle::Received};
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

/// A webhook like no other.
pub(crate) fn received() -> Received {
    let id = Uuid::now_v7();
    let webhook = Webhook {
        transaction_id: id.to_string().parse().unwrap(),
        source_account: "a".parse().unwrap(),
        destination_account: "b".parse().unwrap(),
        amount: Amount::from(1),
        currency: "INR".parse().unwrap(),
    };
    Received { id, webhook }
}

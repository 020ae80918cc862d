//! The statements of a transaction's life, each on SQLite and on PostgreSQL.

#![cfg(test)]

mod conclude;

mod receive;
mod relay;
mod take;
mod values;

use std::time::Duration;

use entity::{
    Amount, Status, Webhook, conflict,
    lifecycle::{self, Holder, Receipt, Received, Taken, lease},
    outbox,
};
use migration::{Migrator, MigratorTrait};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, EntityTrait, PaginatorTrait};
use uuid::Uuid;

const NOW: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_secs(3600);

/// Runs a test body on both databases.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("test.db");
                let url = format!("sqlite:{}?mode=rwc", file.display());
                super::$name(crate::open(&url).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL: run scripts/test"]
            async fn $name() {
                let server = lab::given::postgres().unwrap();
                let url = lab::postgres::create_database(&server).await.unwrap();
                let db = crate::open(&url).await;
                super::$name(db.clone()).await;
                db.close().await.unwrap();
                lab::postgres::drop_database(&url).await.unwrap();
            })*
        }
    };
}
use on_both;

async fn open(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(if url.starts_with("sqlite") { 1 } else { 8 });
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

fn webhook(transaction_id: &str) -> Webhook {
    Webhook {
        transaction_id: transaction_id.into(),
        source_account: "acc_user_1".into(),
        destination_account: "acc_merchant_1".into(),
        amount: Amount::from(1500),
        currency: "INR".into(),
    }
}

fn received(webhook: Webhook) -> Received {
    Received {
        id: Uuid::now_v7(),
        webhook,
    }
}

async fn receive_one(db: &DatabaseConnection, received: &Received) -> Receipt {
    lifecycle::receive(db, std::slice::from_ref(received), LATER)
        .await
        .unwrap()[0]
}

async fn status(db: &DatabaseConnection, id: Uuid) -> Option<Status> {
    lifecycle::load(db, &[id]).await.unwrap().remove(&id)
}

async fn outbox_count(db: &DatabaseConnection) -> u64 {
    outbox::Entity::find().count(db).await.unwrap()
}

/// Three webhooks that are not due, as a consumer gets their ids.
async fn three(db: &DatabaseConnection) -> Vec<Uuid> {
    let batch = ["t1", "t2", "t3"].map(|id| received(webhook(id)));
    lifecycle::receive(db, &batch, LATER).await.unwrap();
    batch.iter().map(|received| received.id).collect()
}

/// A consumer whose lease runs for `length`.
async fn consumer(db: &DatabaseConnection, length: Duration) -> (Uuid, Holder) {
    let id = Uuid::now_v7();
    lease::begin(db, id, length).await.unwrap();
    (id, Holder::Consumer(id))
}

/// Lets a lease run out at once.
async fn run_out(db: &DatabaseConnection, consumer: Uuid) {
    lease::begin(db, consumer, NOW).await.unwrap();
}

async fn take(db: &DatabaseConnection, holder: Holder, ids: &[Uuid]) -> Taken {
    lifecycle::take(db, holder, ids.to_vec(), i32::MAX, LATER)
        .await
        .unwrap()
}

//! The statements of a transaction's life, each on SQLite and on PostgreSQL.

#![cfg(test)]

mod duty;
mod erase;
mod list;
mod operate;
mod partitions;
mod receive;
mod record;
mod refusals;
mod relay;
mod repeats;
mod retention;
mod sources;
mod summary;
mod take;
mod values;
mod waits;
mod watched;

use std::time::Duration;

use entity::{
    Amount, Content, Event, Fields, Payload, Payment, SourceName, Status, TransactionId, Webhook,
    conflict,
    lifecycle::{self, Holder, Look, Range, Receipt, Received, Record, Taken, due, lease},
    outbox, retry, transaction,
};
use migration::{Migrator, MigratorTrait};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, EntityTrait,
    PaginatorTrait,
};
use uuid::Uuid;

const NOW: Duration = Duration::ZERO;
/// As far ahead as anything is ever put in the outbox.
const LATER: Duration = lifecycle::LOOK_AGAIN_IN;

/// Stands for the id that a duplicate's receipt names.
const ANY: Uuid = Uuid::nil();

/// What comes of other content under the id of a transaction that is being processed.
const CONFLICT: Receipt = Receipt::Duplicate {
    id: ANY,
    status: Status::Processing,
    conflict: true,
};

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
                let server = testbed::given::postgres().unwrap();
                let url = testbed::postgres::create_database(&server).await.unwrap();
                let db = crate::open(&url).await;
                super::$name(db.clone()).await;
                db.close().await.unwrap();
                testbed::postgres::drop_database(&url).await.unwrap();
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
    with(transaction_id, |_| ())
}

/// A payment that differs from the others in what `change` changes.
fn with(transaction_id: &str, change: impl FnOnce(&mut Payment)) -> Webhook {
    let mut payment = Payment {
        source_account: "acc_user_1".parse().unwrap(),
        destination_account: "acc_merchant_1".parse().unwrap(),
        amount: Amount::from(1500),
        currency: "INR".parse().unwrap(),
        extra: None,
    };
    change(&mut payment);
    Webhook {
        source: SourceName::built_in(),
        transaction_id: named(transaction_id),
        content: Content::Payment(payment),
    }
}

/// An event of another source.
fn event(source: &str, transaction_id: &str, change: impl FnOnce(&mut Event)) -> Webhook {
    let mut event = Event {
        kind: Some("charge.succeeded".parse().unwrap()),
        fields: Fields::default(),
        payload: Payload {
            content_type: Some("application/json".into()),
            headers: None,
            body: br#"{"n":1.10}"#.to_vec(),
            sent_at: None,
        },
    };
    change(&mut event);
    Webhook {
        source: source.parse().unwrap(),
        transaction_id: named(transaction_id),
        content: Content::Event(Box::new(event)),
    }
}

/// The built-in source's transaction.
async fn find(db: &DatabaseConnection, transaction_id: &str) -> Option<transaction::Model> {
    lifecycle::find(db, &SourceName::built_in(), &named(transaction_id))
        .await
        .unwrap()
}

fn named(text: &str) -> TransactionId {
    text.parse().unwrap()
}

fn received(webhook: Webhook) -> Received {
    Received {
        id: Uuid::now_v7(),
        webhook,
    }
}

async fn receive_one(db: &DatabaseConnection, received: &Received) -> Receipt {
    receive_all(db, std::slice::from_ref(received)).await[0]
}

/// What became of each, [`ANY`] standing for the id of whatever stands.
async fn receive_all(db: &DatabaseConnection, batch: &[Received]) -> Vec<Receipt> {
    anonymous(lifecycle::receive(db, batch, LATER).await.unwrap())
}

fn anonymous(mut receipts: Vec<Receipt>) -> Vec<Receipt> {
    for receipt in &mut receipts {
        if let Receipt::Duplicate { id, .. } = receipt {
            assert_ne!(*id, ANY);
            *id = ANY;
        }
    }
    receipts
}

async fn status(db: &DatabaseConnection, id: Uuid) -> Option<Status> {
    lifecycle::statuses(db, &[id]).await.unwrap().remove(&id)
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

/// A consumer that is alive.
async fn consumer(db: &DatabaseConnection) -> (Uuid, Holder) {
    let id = Uuid::now_v7();
    lease::begin(db, id, LATER, false).await.unwrap();
    (id, Holder::Consumer(id))
}

/// Another consumer finds it dead.
async fn bury(db: &DatabaseConnection, consumer: Uuid) {
    let renewal = lease::renewals(db).await.unwrap()[&consumer];
    assert!(lease::bury(db, consumer, renewal).await.unwrap());
}

const ALL: Range = Range {
    from: Uuid::nil(),
    to: Uuid::max(),
};

/// Frees what the dead hold; returns which ids these are.
async fn reclaim(db: &DatabaseConnection) -> Vec<Uuid> {
    let dead = lease::dead(db).await.unwrap();
    let look = lease::reclaim(db, &dead, ALL, 100).await.unwrap();
    lease::forget(db, &dead).await.unwrap();
    sorted(look)
}

async fn claim(db: &DatabaseConnection, wanted: due::Wanted) -> Vec<Uuid> {
    sorted(
        due::claim(db, ALL, wanted, up_to(100), LATER)
            .await
            .unwrap(),
    )
}

fn up_to(read: u64) -> due::Limits {
    due::Limits { read, claim: 100 }
}

async fn claim_retries(db: &DatabaseConnection) -> Vec<Uuid> {
    let claimed = due::claim_retries(db, 100, LATER, due::FellDue::EVER)
        .await
        .unwrap();
    let mut ids: Vec<Uuid> = claimed.iter().map(|claimed| claimed.id).collect();
    ids.sort();
    ids
}

async fn retries(db: &DatabaseConnection) -> Vec<retry::Model> {
    retry::Entity::find().all(db).await.unwrap()
}

fn sorted(look: Look) -> Vec<Uuid> {
    let mut ids = look.ids;
    ids.sort();
    ids
}

async fn record_all(db: &DatabaseConnection, holder: Holder, records: &[Record]) -> u64 {
    lifecycle::record(db, holder, records).await.unwrap()
}

/// The work on these is done.
async fn finish(db: &DatabaseConnection, holder: Holder, ids: &[Uuid]) -> u64 {
    let records: Vec<Record> = ids.iter().copied().map(Record::processed).collect();
    record_all(db, holder, &records).await
}

async fn take(db: &DatabaseConnection, holder: Holder, ids: &[Uuid]) -> Taken {
    lifecycle::take(db, holder, ids.to_vec(), i32::MAX, LATER)
        .await
        .unwrap()
}

async fn execute(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.unwrap();
}

/// An id as an SQL literal.
fn literal(db: &DatabaseConnection, id: Uuid) -> String {
    match db.get_database_backend() {
        DbBackend::Postgres => format!("'{id}'"),
        _ => format!("x'{}'", id.simple()),
    }
}

//! A service of one's own for each test: fresh database, fresh queue, and a look at the end that
//! nothing was left behind.

use std::time::{Duration, Instant};

use entity::{Status, conflict, outbox, retry, transaction};
use queue::{Depth, Queue, amqp};
use reqwest::Response;
use sea_orm::{
    ColumnTrait, ConnectOptions, Database, DatabaseConnection, EntityTrait, PaginatorTrait,
    QueryFilter,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::processes::{Environment, Process, SOON, run};

/// Runs a test body on the embedded defaults and on PostgreSQL with RabbitMQ.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod embedded {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&mut crate::harness::Harness::embedded()).await;
            })*
        }
        mod servers {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
            async fn $name() {
                super::$name(&mut crate::harness::Harness::on_servers().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// One installation of the service. Dropping it asserts that every webhook it accepted is processed
/// and that nothing is left in the outbox, the queue or the dead-letter queue.
/// How often a webhook is sent that is told to come again.
const TRIES_MAX: usize = 5;

pub(crate) struct Harness {
    pub(crate) folder: TempDir,
    pub(crate) environment: Environment,
    pub(crate) client: reqwest::Client,
    /// Dead letters that the test means to leave.
    pub(crate) dead_letters: usize,
    /// Transactions that the test means to fail.
    pub(crate) failed: u64,
    running: Vec<Process>,
}

impl Harness {
    /// SQLite, and the queue inside the process.
    pub(crate) fn embedded() -> Self {
        let mut environment = Environment::new();
        environment.insert("PORT", "0".into());
        environment.insert("PROCESSING_DELAY", "100ms".into());
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment,
            client: reqwest::Client::new(),
            dead_letters: 0,
            failed: 0,
            running: Vec::new(),
        }
    }

    /// PostgreSQL and RabbitMQ, as the tests were given them.
    pub(crate) async fn on_servers() -> Self {
        let server = testbed::given::postgres().unwrap();
        let broker = testbed::given::rabbitmq().unwrap();
        Self::on(&server, &broker).await
    }

    /// The same, with the database's tables.
    pub(crate) async fn migrated() -> Self {
        let harness = Self::on_servers().await;
        let ended = run(
            harness.folder.path(),
            &["migrate", "up"],
            &harness.environment,
        )
        .await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        harness
    }

    pub(crate) async fn on(postgres: &str, broker: &str) -> Self {
        let mut harness = Self::embedded();
        let database = testbed::postgres::create_database(postgres).await.unwrap();
        harness.environment.insert("DATABASE_URL", database);
        harness.environment.insert("AMQP_URL", broker.into());
        let name = format!("test-{}", uuid::Uuid::now_v7());
        harness.environment.insert("AMQP_QUEUE", name);
        harness.environment.insert("LEASE", "2s".into());
        harness
    }

    /// Starts a process that runs until the test ends; `""` is the role that runs everything.
    pub(crate) async fn start(&mut self, role: &str) -> &Process {
        let process = self.process(role).await;
        self.running.push(process);
        self.running.last().unwrap()
    }

    /// Starts a process that the test will end itself.
    pub(crate) async fn process(&self, role: &str) -> Process {
        Process::start(self.folder.path(), role, &self.environment).await
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        self.client.get(url).send().await.unwrap()
    }

    pub(crate) async fn post(&self, api: &str, body: impl Into<reqwest::Body>) -> Response {
        self.client
            .post(format!("{api}/v1/webhooks/transactions"))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Sends a webhook that must be accepted. Where the machine has no time for it just now it is sent again, as a sender
    /// does.
    pub(crate) async fn send(&self, api: &str, transaction_id: &str) -> Value {
        for _ in 1..TRIES_MAX {
            let response = self.post(api, webhook(transaction_id).to_string()).await;
            let Some(wait) = response.headers().get("retry-after") else {
                assert_eq!(response.status(), 202);
                return response.json().await.unwrap();
            };
            assert_eq!(response.status(), 503);
            let wait = wait.to_str().unwrap().parse().unwrap();
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        let response = self.post(api, webhook(transaction_id).to_string()).await;
        assert_eq!(response.status(), 202);
        response.json().await.unwrap()
    }

    /// Sends many at once; all must be accepted.
    pub(crate) async fn send_all(&self, api: &str, ids: impl Iterator<Item = String>) {
        use futures::StreamExt;
        futures::stream::iter(ids)
            .for_each_concurrent(32, async |id| {
                self.send(api, &id).await;
            })
            .await;
    }

    pub(crate) async fn transaction(&self, api: &str, transaction_id: &str) -> Value {
        let url = format!("{api}/v1/transactions/{transaction_id}");
        let response = self.get(&url).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Waits until `transaction_id` is processed and returns it.
    pub(crate) async fn processed(&self, api: &str, transaction_id: &str) -> Value {
        let since = Instant::now();
        loop {
            let transaction = self.transaction(api, transaction_id).await;
            if transaction["status"] == "PROCESSED" {
                return transaction;
            }
            assert!(since.elapsed() < SOON, "{transaction}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn database(&self) -> DatabaseConnection {
        let url = match self.environment.get("DATABASE_URL") {
            Some(url) => url.clone(),
            None => format!(
                "sqlite:{}",
                self.folder.path().join("hookline.db").display()
            ),
        };
        let mut options = ConnectOptions::new(url);
        options.max_connections(1);
        Database::connect(options).await.unwrap()
    }

    pub(crate) async fn rows(&self) -> u64 {
        let db = self.database().await;
        transaction::Entity::find().count(&db).await.unwrap()
    }

    pub(crate) async fn conflicts(&self) -> Vec<conflict::Model> {
        let db = self.database().await;
        conflict::Entity::find().all(&db).await.unwrap()
    }

    /// The harness's queue on its broker; `None` where the queue is inside the process.
    pub(crate) fn queue(&self) -> Option<Queue> {
        let settings = amqp::Settings {
            url: self.environment.get("AMQP_URL")?.clone(),
            ca: None,
            queue: self.environment["AMQP_QUEUE"].clone(),
            process: "test".into(),
        };
        Some(Queue::Amqp(amqp::Broker::new(settings).unwrap()))
    }

    /// What is not finished yet.
    async fn left(&self) -> Left {
        let db = self.database().await;
        let count = async |status: Status| {
            let rows = transaction::Entity::find().filter(transaction::Column::Status.eq(status));
            rows.count(&db).await.unwrap()
        };
        let depth = match self.queue() {
            Some(queue) => queue.depth().await.unwrap_or_default(),
            None => Depth {
                dead: self.dead_letters,
                ready: 0,
            },
        };
        Left {
            processing: count(Status::Processing).await,
            failed: count(Status::Failed).await,
            outbox: outbox::Entity::find().count(&db).await.unwrap(),
            retries: retry::Entity::find().count(&db).await.unwrap(),
            ready: depth.ready,
            dead: depth.dead,
        }
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settled(&self) {
        let settled = Left {
            dead: self.dead_letters,
            failed: self.failed,
            ..Left::default()
        };
        let since = Instant::now();
        loop {
            let left = self.left().await;
            if left == settled {
                return;
            }
            if since.elapsed() > SOON {
                panic!("left behind: {left:?}\n{}", self.running_log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the processes that run until the test ends have logged.
    pub(crate) fn running_log(&self) -> String {
        let logs: Vec<String> = self.running.iter().map(Process::log).collect();
        logs.join("\n")
    }

    async fn clear(&mut self) {
        self.running.clear();
        if let (Some(url), Some(name)) = (
            self.environment.get("AMQP_URL"),
            self.environment.get("AMQP_QUEUE"),
        ) {
            let _ = testbed::queues::delete_all(url, name).await;
        }
        if let Some(url) = self.environment.get("DATABASE_URL") {
            let _ = testbed::postgres::drop_database(url).await;
        }
    }
}

/// See [`Harness::left`].
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    processing: u64,
    failed: u64,
    outbox: u64,
    retries: u64,
    ready: usize,
    dead: usize,
}

impl Drop for Harness {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let was_used = self.running.iter().any(|process| !process.url().is_empty());
        // A drop cannot wait, and this thread's runtime is busy with it: another one can.
        let outcome = std::thread::scope(|scope| {
            let work = || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    if !failed && was_used {
                        self.settled().await;
                    }
                    self.clear().await;
                });
            };
            scope.spawn(work).join()
        });
        if outcome.is_err() && !failed {
            panic!("the service left something behind; see above");
        }
    }
}

/// A good webhook.
pub(crate) fn webhook(transaction_id: &str) -> Value {
    json!({
        "transaction_id": transaction_id,
        "source_account": "acc_user_1",
        "destination_account": "acc_merchant_1",
        "amount": 1500,
        "currency": "INR",
    })
}

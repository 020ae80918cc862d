//! What `DATABASE_URL` names, from an address that is not understood to a role that may not: said at the start.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};

use crate::{
    faults::until_logged,
    harness::{Harness, webhook},
    processes::run,
    settings::refused,
};

/// For longer than a statement may wait.
const HELD: Duration = Duration::from_secs(8);

/// A harness with a PostgreSQL, and with its queue inside the process.
async fn on_postgres() -> Harness {
    let mut harness = Harness::on_servers().await;
    harness.environment.remove("AMQP_URL");
    harness
}

async fn execute(harness: &Harness, statements: &[&str]) {
    let db = harness.database().await;
    for statement in statements {
        db.execute_unprepared(statement).await.expect(statement);
    }
    db.close().await.unwrap();
}

/// The harness's address with something at its end.
fn add(harness: &mut Harness, query: &str) {
    let url = &harness.environment["DATABASE_URL"];
    let url = format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' });
    harness.environment.insert("DATABASE_URL", url);
}

#[tokio::test]
async fn the_start_tells_its_database_and_its_queue() {
    let mut harness = Harness::embedded();
    let file = harness
        .folder
        .path()
        .canonicalize()
        .unwrap()
        .join("hookline.db");
    let process = harness.process("").await;
    let told = format!(
        "database=SQLite {} queue=\"inside this process\"",
        file.display()
    );
    assert!(process.log().contains(&told), "{}", process.log());
    process.kill().await;

    let broker = "amqp://user:s3cret@127.0.0.1:1/%2f";
    harness.environment.insert("AMQP_URL", broker.into());
    harness.environment.insert("AMQP_QUEUE", "nowhere".into());
    let process = harness.process("").await;
    let log = process.log();
    assert!(log.contains("RabbitMQ 127.0.0.1:1/%2f, nowhere"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    process.kill().await;
}

#[tokio::test]
async fn what_is_no_address_ends_the_start_with_what_would_be_right() {
    for (url, right) in [
        ("postgres://me:s3cret@h/db?ssl=true", "sslmode=require"),
        ("postgres://me:s3cret@h1,h2/db", "one host"),
        ("sqlite:x.db?mode=memory", "in memory"),
    ] {
        let mut harness = Harness::embedded();
        harness.environment.insert("DATABASE_URL", url.into());
        let sentence = refused(&harness, &[], 2).await;
        assert!(
            sentence.starts_with("hookline: DATABASE_URL must "),
            "{sentence}"
        );
        assert!(sentence.contains(right), "{sentence}");
        harness.environment.remove("DATABASE_URL");
    }
}

#[tokio::test]
async fn a_file_that_must_be_there_is_not_made() {
    let mut harness = Harness::embedded();
    let url = "sqlite:hookline.db?mode=rw";
    harness.environment.insert("DATABASE_URL", url.into());
    let sentence = refused(&harness, &[], 1).await;
    assert!(sentence.contains("mode=rwc"), "{sentence}");
    assert!(!harness.folder.path().join("hookline.db").exists());
    harness.environment.remove("DATABASE_URL");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_parameter_without_effect_is_named_once_and_its_value_never() {
    let mut harness = on_postgres().await;
    harness.environment.insert("RUST_LOG", "debug".into());
    let url = harness.environment["DATABASE_URL"].clone();
    add(
        &mut harness,
        "pass=s3cret&channel_binding=require&connect_timeout=5",
    );
    let process = harness.process("").await;
    let log = process.log();
    process.kill().await;
    assert_eq!(
        log.matches("without effect: pass, channel_binding").count(),
        1,
        "{log}"
    );
    assert!(!log.contains("s3cret"), "{log}");
    harness.environment.insert("DATABASE_URL", url);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn postgresqls_variables_fill_in_what_is_left_out_and_undo_nothing() {
    let mut harness = on_postgres().await;
    let url = harness.environment["DATABASE_URL"].clone();
    let (server, name) = url.rsplit_once('/').unwrap();
    harness
        .environment
        .insert("DATABASE_URL", format!("{server}/"));
    harness.environment.insert("PGDATABASE", name.into());
    harness
        .environment
        .insert("PGOPTIONS", "-c statement_timeout=0".into());
    let api = harness.process("").await;
    assert!(api.log().contains("PGDATABASE, PGOPTIONS"), "{}", api.log());
    harness.environment.insert("DATABASE_URL", url);
    assert_waiting_is_ended(&harness, &api.url()).await;
    until_logged(&api, "statement timeout").await;
    api.kill().await;
    harness
        .environment
        .insert("PGSSLMODE", "verify_full".into());
    let sentence = refused(&harness, &[], 2).await;
    assert!(sentence.contains("PGSSLMODE"), "{sentence}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_schema_is_chosen_by_the_search_path() {
    let mut harness = on_postgres().await;
    let url = harness.environment["DATABASE_URL"].clone();
    add(&mut harness, "options=-c%20search_path%3Dapp");
    let sentence = refused(&harness, &[], 1).await;
    assert!(sentence.contains("search_path (app)"), "{sentence}");

    execute(&harness, &["CREATE SCHEMA app"]).await;
    let process = harness.process("").await;
    harness.send(&process.url(), "t1").await;
    harness.processed(&process.url(), "t1").await;
    process.kill().await;
    execute(&harness, &["DROP TABLE app.transactions"]).await;
    harness.environment.insert("DATABASE_URL", url);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn who_is_not_let_in_is_told_so_at_once() {
    let mut harness = on_postgres().await;
    let url = harness.environment["DATABASE_URL"].clone();
    let (server, _) = url.rsplit_once('/').unwrap();
    let nowhere = format!("{server}/nowhere");
    harness.environment.insert("DATABASE_URL", nowhere);
    let sentence = refused(&harness, &[], 1).await;
    assert!(sentence.contains("has no database nowhere"), "{sentence}");

    let (_, place) = url.rsplit_once('@').unwrap();
    let nobody = format!("postgres://nobody:s3cret@{place}");
    harness.environment.insert("DATABASE_URL", nobody);
    let sentence = refused(&harness, &["migrate", "up"], 1).await;
    assert!(sentence.contains("refuses the login"), "{sentence}");
    harness.environment.insert("DATABASE_URL", url);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_database_that_cannot_keep_every_character_is_refused() {
    let harness = on_postgres().await;
    let url = harness.environment["DATABASE_URL"].clone();
    let (server, name) = url.rsplit_once('/').unwrap();
    let db = Database::connect(format!("{server}/postgres"))
        .await
        .unwrap();
    for encoding in ["SQL_ASCII", "LATIN1"] {
        for statement in [
            format!("DROP DATABASE {name} WITH (FORCE)"),
            format!(
                "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
            ),
        ] {
            db.execute_unprepared(&statement).await.expect(&statement);
        }
        for arguments in [&[][..], &["migrate", "up"]] {
            let sentence = refused(&harness, arguments, 1).await;
            assert!(sentence.contains(encoding), "{sentence}");
            assert!(sentence.contains("must be UTF8"), "{sentence}");
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_database_that_takes_no_writes_is_told() {
    let harness = Harness::migrated().await;
    let (_, name) = harness.environment["DATABASE_URL"]
        .rsplit_once('/')
        .unwrap();
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    execute(&harness, &[&read_only]).await;
    let process = harness.process("api").await;
    let log = process.log();
    assert!(log.contains("the database is read-only"), "{log}");
    process.kill().await;
}

/// A role of the test's own, without a right.
struct Stranger {
    name: String,
    owner: DatabaseConnection,
}

impl Stranger {
    /// Makes it, and starts the harness's processes as it from now on.
    async fn new(harness: &mut Harness) -> Self {
        let owner = harness.database().await;
        let name = format!("hookline_test_{:016x}", rand::random::<u64>());
        let create = format!("CREATE ROLE {name} LOGIN PASSWORD 's3cret'");
        owner.execute_unprepared(&create).await.unwrap();
        let (_, place) = harness.environment["DATABASE_URL"]
            .rsplit_once('@')
            .unwrap();
        let url = format!("postgres://{name}:s3cret@{place}");
        harness.environment.insert("DATABASE_URL", url);
        Self { name, owner }
    }

    /// `{}` is the role's name.
    async fn execute(&self, statements: &str) {
        let statements = statements.replace("{}", &self.name);
        let done = self.owner.execute_unprepared(&statements).await;
        done.expect(&statements);
    }

    async fn leave(self) {
        self.execute("DROP OWNED BY {}; DROP ROLE {}").await;
    }
}

/// The statements in docs/operations/POSTGRESQL.md that give a role its rights, with `{}` for its name.
fn documented_rights() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/POSTGRESQL.md");
    let text = std::fs::read_to_string(file).unwrap();
    let mut blocks = text.split("```sql\n").skip(1);
    let block = blocks.find(|block| block.starts_with("GRANT ")).unwrap();
    let block = block.split("```").next().unwrap();
    block.replace("hookline_run", "{}")
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn the_documented_rights_are_enough_and_each_that_is_missing_is_named() {
    let mut harness = Harness::on_servers().await;
    let owners = harness.environment["DATABASE_URL"].clone();
    let role = Stranger::new(&mut harness).await;
    let sentence = refused(&harness, &["migrate", "up"], 1).await;
    assert!(sentence.contains("permission denied"), "{sentence}");
    assert!(sentence.contains("may CREATE"), "{sentence}");

    let strangers = harness
        .environment
        .insert("DATABASE_URL", owners.clone())
        .unwrap();
    let ended = run(
        harness.folder.path(),
        &["migrate", "up"],
        &harness.environment,
    )
    .await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    harness.environment.insert("DATABASE_URL", strangers);
    let sentence = refused(&harness, &["api"], 1).await;
    assert!(
        sentence.contains("SELECT ON seaql_migrations"),
        "{sentence}"
    );

    role.execute(&documented_rights()).await;
    let api = harness.process("api").await;
    let consumer = harness.process("consumer").await;
    harness.send(&api.url(), "t1").await;
    harness.send(&api.url(), "t1").await;
    let mut other = webhook("t1");
    other["amount"] = 1.into();
    harness.post(&api.url(), other.to_string()).await;
    harness.processed(&api.url(), "t1").await;
    assert_eq!(harness.conflicts().await.len(), 1);
    let ready = harness.get(&format!("{}/readyz", api.url())).await;
    assert_eq!(ready.status(), 200);
    for log in [api.log(), consumer.log()] {
        assert!(!log.contains("rights") && !log.contains("denied"), "{log}");
    }
    consumer.kill().await;
    api.kill().await;

    for (process, right) in [
        ("api", "INSERT ON outbox"),
        ("api", "INSERT ON transactions"),
        ("consumer", "UPDATE ON transactions"),
        ("consumer", "DELETE ON outbox"),
        ("consumer", "INSERT ON attempts"),
    ] {
        role.execute(&format!("REVOKE {right} FROM {{}}")).await;
        let sentence = refused(&harness, &[process], 1).await;
        assert!(
            sentence.contains(&format!("is missing rights: GRANT {right}")),
            "{sentence}"
        );
        role.execute(&format!("GRANT {right} TO {{}}")).await;
    }

    // Webhooks do not need all of it.
    role.execute("REVOKE INSERT ON conflicts FROM {}").await;
    let api = harness.process("api").await;
    assert!(api.log().contains("INSERT ON conflicts"), "{}", api.log());
    harness.send(&api.url(), "t2").await;
    api.kill().await;
    harness.environment.insert("DATABASE_URL", owners);
    role.leave().await;
}

/// Holds the table that webhooks go to until a webhook has been refused, and for longer than a statement may wait.
pub(crate) async fn assert_waiting_is_ended(harness: &Harness, api: &str) {
    let db = harness.database().await;
    let lock = "BEGIN; LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE";
    db.execute_unprepared(lock).await.unwrap();
    let answer = harness.post(api, webhook("waits").to_string()).await;
    assert_eq!(answer.status(), 503);
    tokio::time::sleep(HELD).await;
    db.execute_unprepared("ROLLBACK").await.unwrap();
}

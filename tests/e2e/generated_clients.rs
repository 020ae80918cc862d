//! The OpenAPI document in the hands of those that it is for: clients are generated from it and meet every answer that it
//! names, and a fuzzer tries whether everything that is answered is in it.
//!
//! `scripts/install-generators` installs the tools; their programs and versions are in `tests/clients`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{downstream::server::Downstream, harness::Harness, processes::run};

/// For the slowest of the tools on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

/// A folder where the tools work: inside their own, as node looks for its packages upwards.
struct Workshop {
    tools: PathBuf,
    folder: TempDir,
}

impl Workshop {
    fn open() -> Self {
        let tools = testbed::given::generators().unwrap();
        let folder = TempDir::new_in(&tools).unwrap();
        Self { tools, folder }
    }

    fn bring(&self, names: &[&str]) {
        for name in names {
            std::fs::copy(program(name), self.folder.path().join(name)).unwrap();
        }
    }

    async fn python(&self, arguments: &[&str]) {
        self.run("venv/bin/python", arguments).await;
    }

    /// Runs one of the tools, which must succeed.
    async fn run(&self, tool: &str, arguments: &[&str]) {
        let mut command = match tool {
            "node" => Command::new(tool),
            tool => Command::new(self.tools.join(tool)),
        };
        // The generator of Python clients calls a formatter.
        let path = format!(
            "{}/venv/bin:/usr/local/bin:/usr/bin:/bin",
            self.tools.display()
        );
        let command = command
            .args(arguments)
            .current_dir(&self.folder)
            .env("PATH", path)
            .kill_on_drop(true);
        let output = tokio::time::timeout(WITHIN, command.output()).await;
        let output = output.expect("it did not end").unwrap();
        assert!(
            output.status.success(),
            "{tool} {arguments:?}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
}

fn program(name: &str) -> String {
    in_the_repository(&format!("tests/clients/{name}"))
}

/// The document; that it is the one that is served, another test knows.
fn document() -> String {
    in_the_repository("docs/openapi.json")
}

fn in_the_repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    path.to_str().unwrap().to_owned()
}

/// Runs `client`, with where the API listens and how it is, while the service is well; once more when what it has sent is
/// erased; while the database answers nothing; and once where the built-in source has a secret, and look-ups need a token.
async fn in_each_state(client: impl AsyncFn(&str, &str)) {
    let seen: Mutex<HashSet<String>> = Mutex::default();
    let downstream = Downstream::start_by_key(move |key| {
        let is_first = seen.lock().unwrap().insert(key.to_owned());
        let status = match key {
            "refused" => 422,
            key if key.contains("once") && is_first => 422,
            key if key.contains("later") => 503,
            _ => 200,
        };
        (status, Duration::ZERO)
    });
    let downstream = downstream.await;
    let mut harness = Harness::on_servers().await;
    // Refused for good, and two that are given up; and four that are refused once and then retried.
    (harness.failed, harness.dead_letters) = (3, 5);
    harness.environment.insert("PROCESS_URL", downstream.url);
    for (variable, value) in [
        ("ADMIN_TOKEN", "anna:a-secret-for-everything"),
        ("SOURCE_STRIPE_SECRET", "whsec_test_secret"),
        ("SOURCE_DROPBOX_SECRET", "whsec_test_secret"),
        ("SOURCE_META_SECRET", "whsec_test_secret"),
        ("SOURCE_META_VERIFY_TOKEN", "what is agreed upon"),
    ] {
        harness.environment.insert(variable, value.into());
    }
    let api = harness.start("").await.url();
    client(&api, "well").await;

    for id in ["txn_1", "evt_1"] {
        let words = ["erase", id, "--reason", "a test", "--yes"];
        let erased = run(harness.folder.path(), &words, &harness.environment).await;
        assert_eq!(erased.code, Some(0), "{id}: {}", erased.stderr);
    }
    client(&api, "erased").await;

    let db = harness.database().await;
    let locked = db.begin().await.unwrap();
    locked
        .execute_unprepared(
            "LOCK TABLE transactions, probe, failures, refusals, audit, bulk_retries, pauses IN ACCESS EXCLUSIVE MODE",
        )
        .await
        .unwrap();
    client(&api, "ill").await;
    locked.rollback().await.unwrap();

    let mut guarded = Harness::embedded();
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    guarded
        .environment
        .insert("SOURCE_TRANSACTIONS_SECRET", secret.into());
    guarded
        .environment
        .insert("READ_TOKEN", "a-secret-for-reading".into());
    let api = guarded.start("").await.url();
    client(&api, "guarded").await;
}

#[tokio::test]
#[ignore = "needs generators of clients, PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_typescript_client_meets_every_answer() {
    let workshop = Workshop::open();
    let document = document();
    workshop.bring(&["every_answer.ts", "tsconfig.json", "package.json"]);
    let generate = [&document, "--output", "hookline.ts"];
    workshop
        .run("node_modules/.bin/openapi-typescript", &generate)
        .await;
    workshop
        .run("node_modules/.bin/tsc", &["--project", "."])
        .await;
    in_each_state(async |api, state| {
        let arguments = ["every_answer.js", &document, api, state];
        workshop.run("node", &arguments).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs generators of clients, PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_python_client_meets_every_answer() {
    let workshop = Workshop::open();
    let document = document();
    let generate = [
        "generate",
        "--path",
        &document,
        "--meta",
        "none",
        "--output-path",
        "hookline_client",
        // It leaves out what it does not understand, with no more than a warning.
        "--fail-on-warning",
    ];
    workshop
        .run("venv/bin/openapi-python-client", &generate)
        .await;
    in_each_state(async |api, state| {
        let arguments = [&program("every_answer.py"), &document, ".", api, state];
        workshop.python(&arguments).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs generators of clients: run scripts/test"]
async fn the_document_and_its_examples_are_valid() {
    let workshop = Workshop::open();
    workshop.python(&[&program("valid.py"), &document()]).await;
}

#[tokio::test]
#[ignore = "needs generators of clients, PostgreSQL and RabbitMQ: run scripts/test"]
async fn what_a_fuzzer_is_answered_is_in_the_document() {
    let workshop = Workshop::open();
    let mut harness = Harness::on_servers().await;
    let secret = "a-secret-for-everything";
    // Without tokens it would find that nobody is asked for one.
    for (variable, value) in [
        ("READ_TOKEN", "a-secret-for-reading".to_owned()),
        ("ADMIN_TOKEN", format!("anna:{secret}")),
    ] {
        harness.environment.insert(variable, value);
    }
    let api = harness.start("").await.url();
    workshop.bring(&["schemathesis.toml", "schemathesis_hooks.py"]);
    let bearer = format!("Authorization: Bearer {secret}");
    // A stream of events does not end.
    let not_ending = ["--exclude-operation-id", "followEvents"];
    let arguments = ["run", &document(), "--url", &api, "--header", &bearer];
    let arguments = [&arguments[..], &not_ending].concat();
    workshop.run("venv/bin/schemathesis", &arguments).await;
    // It may have paused everything.
    let db = harness.database().await;
    db.execute_unprepared("DELETE FROM pauses").await.unwrap();
}

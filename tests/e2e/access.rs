//! Who may read, at which address, and who is told that everybody may.

use std::fs;

use reqwest::{Response, StatusCode, header};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::Value;

use crate::{
    faults::{until, until_logged},
    harness::Harness,
    processes::Process,
    settings::refused,
};

const READ: &str = "a-secret-for-reading";
const FILE: &str = "a-secret-of-a-file";
const NEWER: &str = "a-newer-secret-of-a-file";
const ADMIN: &str = "a-secret-for-everything";

async fn get(harness: &Harness, url: &str, token: &str) -> Response {
    let request = harness.client.get(url);
    let request = match token {
        "" => request,
        token => request.bearer_auth(token),
    };
    request.send().await.unwrap()
}

#[tokio::test]
async fn reads_need_a_token_and_its_file_is_read_again_while_the_process_runs() {
    let mut harness = Harness::embedded();
    let file = harness.folder.path().join("tokens");
    fs::write(&file, format!("prometheus:{FILE}\n")).unwrap();
    for (variable, value) in [
        ("READ_TOKEN", format!("grafana:{READ}")),
        ("READ_TOKEN_FILE", file.display().to_string()),
        ("ADMIN_TOKEN", format!("anna:{ADMIN}")),
    ] {
        harness.environment.insert(variable, value);
    }
    let api = harness.start("").await.url();
    harness.send(&api, "t1").await;
    let found = format!("{api}/v1/transactions/t1");
    for token in [READ, FILE, ADMIN] {
        assert_eq!(get(&harness, &found, token).await.status(), 200, "{token}");
    }
    for token in ["", NEWER, "grafana"] {
        let answer = get(&harness, &found, token).await;
        assert_eq!(answer.status(), 401, "{token}");
        let challenge = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
    }
    // What balancers, senders and people who read the documentation ask needs none.
    for path in ["/", "/healthz", "/readyz", "/docs", "/openapi.json"] {
        let answer = harness.get(&format!("{api}{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
    }

    fs::write(&file, format!("prometheus:{NEWER}\n")).unwrap();
    until(
        async || get(&harness, &found, NEWER).await.status() == 200,
        || "the new token".into(),
    )
    .await;
    assert_eq!(get(&harness, &found, FILE).await.status(), 401);

    fs::remove_file(&file).unwrap();
    let ready = format!("{api}/readyz");
    until(
        async || {
            let ready: Value = harness.get(&ready).await.json().await.unwrap();
            ready["warnings"][0]["field"] == "tokens"
        },
        || "the fault".into(),
    )
    .await;
    assert_eq!(get(&harness, &found, NEWER).await.status(), 200);
    let log = harness.running_log();
    assert!(log.contains("tokens_swapped"), "{log}");
    assert!(log.contains("tokens_not_read_again"), "{log}");
    for secret in [READ, FILE, NEWER, ADMIN] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn whoever_may_be_read_by_everybody_says_so_once() {
    for (host, token, is_warned) in [
        ("127.0.0.1", "", false),
        ("0.0.0.0", "", true),
        ("0.0.0.0", READ, false),
    ] {
        let mut harness = Harness::embedded();
        harness.environment.insert("HOST", host.into());
        harness.environment.insert("READ_TOKEN", token.into());
        let process = harness.process("").await;
        let warnings = process.log().matches("reads_open").count();
        assert_eq!(warnings, usize::from(is_warned), "{host} {token}");
        process.kill().await;
    }
}

#[tokio::test]
async fn a_page_whose_name_was_made_to_mean_this_machine_reads_nothing() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let list = format!("{api}/v1/transactions");
    let as_asked = harness
        .client
        .get(&list)
        .header(header::HOST, "evil.example:8000");
    let answer = as_asked.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let port = api.rsplit(':').next().unwrap();
    let local = harness
        .client
        .get(&list)
        .header(header::HOST, format!("localhost:{port}"));
    assert_eq!(local.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn tokens_that_are_of_no_use_stop_the_start() {
    let harness = Harness::embedded();
    let file = harness.folder.path().join("tokens");
    fs::write(&file, "s3cret").unwrap();
    let file = file.display().to_string();
    let same = format!("{READ}-s3cret");
    for (flags, sentence) in [
        (vec!["--read-token", "s3cret"], "READ_TOKEN must be tokens"),
        (vec!["--admin-token=anna:"], "ADMIN_TOKEN must be tokens"),
        (
            vec!["--read-token", &same, "--admin-token", &same],
            "ADMIN_TOKEN must not have a secret that READ_TOKEN has, too",
        ),
        (
            vec!["--admin-token-file", &file],
            "ADMIN_TOKEN_FILE: the file must have a token on each line",
        ),
        (
            vec!["--read-token-file", "nowhere"],
            "READ_TOKEN_FILE: the file does not exist",
        ),
    ] {
        let said = refused(&harness, &flags, 2).await;
        assert!(said.starts_with(&format!("hookline: {sentence}")), "{said}");
    }
}

/// Where a process answers operators.
async fn admin_url(process: &Process) -> String {
    let said = "operators are answered at ";
    until_logged(process, said).await;
    let log = process.log();
    let (_, rest) = log.split_once(said).expect(&log);
    rest.split_whitespace().next().unwrap().to_owned()
}

/// What a process says that it lacks; empty if it is ready.
async fn missing(harness: &Harness, admin: &str) -> Vec<String> {
    let ready: Value = harness
        .get(&format!("{admin}/readyz"))
        .await
        .json()
        .await
        .unwrap();
    let errors = ready["errors"].as_array().into_iter().flatten();
    errors
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn operators_have_an_address_of_their_own() {
    let mut harness = Harness::embedded();
    harness
        .environment
        .insert("ADMIN_ADDR", "localhost:0".into());
    let process = harness.process("").await;
    let admin = admin_url(&process).await;
    assert_ne!(admin, process.url());
    for path in ["/", "/healthz", "/readyz", "//readyz/"] {
        let answer = harness.get(&format!("{admin}{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    for path in ["/v1/transactions", "/docs", "/v1/webhooks/transactions"] {
        let answer = harness.get(&format!("{admin}{path}")).await;
        assert_eq!(answer.status(), 404, "{path}");
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap();
        assert_eq!(kind, "application/problem+json", "{path}");
    }
    // Balancers go on asking where webhooks go.
    let healthz = format!("{}/healthz", process.url());
    assert_eq!(harness.get(&healthz).await.status(), 200);
    process.kill().await;
    for (address, right) in [
        ("9090", "an address and a port"),
        ("localhost:http", "an address and a port"),
        ("::1:9090", "an address and a port"),
        ("256.0.0.1:9090", "of this machine"),
    ] {
        harness.environment.insert("ADMIN_ADDR", address.into());
        let said = refused(&harness, &[], 2).await;
        assert!(said.starts_with("hookline: ADMIN_ADDR must "), "{said}");
        assert!(said.contains(right), "{said}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_says_what_it_lacks() {
    let mut harness = Harness::migrated().await;
    harness
        .environment
        .insert("ADMIN_ADDR", "127.0.0.1:0".into());
    let consumer = harness.process("consumer").await;
    let admin = admin_url(&consumer).await;
    until(
        async || missing(&harness, &admin).await.is_empty(),
        || "a consumer that is ready".into(),
    )
    .await;

    let db = harness.database().await;
    let locked = db.begin().await.unwrap();
    let lock = "LOCK TABLE consumers IN ACCESS EXCLUSIVE MODE";
    locked.execute_unprepared(lock).await.unwrap();
    until(
        async || missing(&harness, &admin).await == ["lease"],
        || "the loss of its lease".into(),
    )
    .await;
    let healthz = harness.get(&format!("{admin}/healthz")).await;
    assert_eq!(healthz.status(), 200, "it is alive all the same");
    locked.rollback().await.unwrap();
    until(
        async || missing(&harness, &admin).await.is_empty(),
        || "another lease".into(),
    )
    .await;
    consumer.kill().await;
}

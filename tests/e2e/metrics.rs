//! `/metrics`, as whoever scrapes it sees it, and what is deployed for it: rules of alerts and a board.

use std::{collections::BTreeSet, path::PathBuf, process::Stdio, time::Instant};

use rustix::process::Signal;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{
    faults,
    harness::{Harness, on_both, webhook},
    processes::{Process, SOON},
};

on_both! {
    what_was_sent_is_what_is_counted
}

/// Families that are there once a webhook was processed, wherever it runs.
const ALWAYS: [&str; 28] = [
    "http_server_request_duration_seconds",
    "hookline_ack_seconds",
    "hookline_admission_wait_seconds",
    "hookline_attempt_seconds",
    "hookline_build_info",
    "hookline_circuit_opened_total",
    "hookline_circuit_state",
    "hookline_commit_rows",
    "hookline_commit_seconds",
    "hookline_confirm_seconds",
    "hookline_connected",
    "hookline_database_connections",
    "hookline_database_wait_seconds",
    "hookline_deliveries_total",
    "hookline_end_to_end_seconds",
    "hookline_failed_total",
    "hookline_failures",
    "hookline_in_flight",
    "hookline_outbox_entries",
    "hookline_outbox_oldest_due_age_seconds",
    "hookline_prefetch",
    "hookline_published_total",
    "hookline_reclaimed_total",
    "hookline_redelivered_total",
    "hookline_unconfirmed",
    "hookline_verifications_total",
    "hookline_waiting",
    "hookline_webhooks_total",
];
/// What is there once there is something to tell: that a source was heard of, say.
const SOMETIMES: [&str; 7] = [
    "hookline_attempts_total",
    "hookline_lease_seconds_left",
    "hookline_queue_oldest_age_seconds",
    "hookline_retention_oldest_age_seconds",
    "hookline_source_last_verified_timestamp_seconds",
    "hookline_source_silent",
    "hookline_spans_total",
];

async fn scraped(harness: &Harness, api: &str) -> String {
    let response = harness.get(&format!("{api}/metrics")).await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// Scrapes until `holds`.
async fn until(harness: &Harness, api: &str, holds: impl Fn(&str) -> bool) -> String {
    let since = Instant::now();
    loop {
        let text = scraped(harness, api).await;
        if holds(&text) {
            return text;
        }
        assert!(since.elapsed() < SOON, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// The value of one series.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

/// The families of a text.
fn families(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[expect(clippy::too_many_lines, reason = "it is one story")]
async fn what_was_sent_is_what_is_counted(harness: &mut Harness) {
    let api = harness.start("").await.url();
    harness
        .send_all(&api, (0..20).map(|at| format!("txn_{at}")))
        .await;
    harness.send(&api, "txn_0").await;
    assert_eq!(harness.post(&api, "{}").await.status(), 422);
    harness.settled().await;
    let ended = "hookline_end_to_end_seconds_count{source=\"\",status=\"PROCESSED\"}";
    let looked = "hookline_outbox_entries{state=\"due\"}";
    let text = until(harness, &api, |text| {
        value(text, ended) == Some(20.0)
            && value(text, looked) == Some(0.0)
            && value(text, "hookline_in_flight") == Some(0.0)
            && text.contains("hookline_source_last_verified")
    })
    .await;
    for (series, count) in [
        (
            "hookline_webhooks_total{source=\"transactions\",outcome=\"accepted\"}",
            20.0,
        ),
        (
            "hookline_webhooks_total{source=\"transactions\",outcome=\"duplicate\"}",
            1.0,
        ),
        (
            "hookline_webhooks_total{source=\"transactions\",outcome=\"invalid\"}",
            1.0,
        ),
        (
            "hookline_ack_seconds_count{source=\"transactions\",answer=\"accepted\"}",
            21.0,
        ),
        (
            "hookline_ack_seconds_count{source=\"transactions\",answer=\"refused\"}",
            1.0,
        ),
        ("hookline_commit_rows_sum", 21.0),
        ("hookline_published_total{result=\"confirmed\"}", 20.0),
        ("hookline_deliveries_total{outcome=\"started\"}", 20.0),
        ("hookline_deliveries_total{outcome=\"unknown\"}", 0.0),
        ("hookline_failed_total{verdict=\"POISON\"}", 0.0),
        ("hookline_circuit_state{state=\"closed\"}", 1.0),
        ("hookline_connected{role=\"everything\",to=\"broker\"}", 1.0),
        (
            "hookline_connected{role=\"everything\",to=\"database\"}",
            1.0,
        ),
        ("hookline_unconfirmed", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(count), "{series}\n{text}");
    }
    let route = "http_server_request_duration_seconds_count{http_request_method=\"POST\",url_scheme=\"http\",\
                 http_route=\"/v1/webhooks/transactions\",http_response_status_code=\"202\"}";
    assert_eq!(value(&text, route), Some(21.0), "{text}");
    let families = families(&text);
    for name in ALWAYS {
        assert!(families.contains(name), "{name}\n{text}");
    }
    let known: BTreeSet<&str> = ALWAYS.into_iter().chain(SOMETIMES).collect();
    let unknown: Vec<_> = families.difference(&known).collect();
    assert_eq!(
        unknown, [&""; 0],
        "describe them in docs/OPERATIONS.md, and name them here"
    );
    let openmetrics = (harness.client.get(format!("{api}/metrics")))
        .header("accept", "application/openmetrics-text; version=1.0.0")
        .send()
        .await
        .unwrap();
    assert!(openmetrics.text().await.unwrap().ends_with("# EOF\n"));
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn one_api_tells_of_the_whole_until_another_has_to() {
    let harness = Harness::migrated().await;
    let [mut one, mut other] = [harness.process("api").await, harness.process("api").await];
    let tells = async |process: &Process| {
        let text = scraped(&harness, &process.url()).await;
        text.contains("hookline_outbox_entries")
    };
    let told = async |one: &Process, other: &Process| {
        let is_told = async || tells(one).await || tells(other).await;
        faults::until(is_told, || one.log()).await;
    };
    told(&one, &other).await;
    if tells(&other).await {
        std::mem::swap(&mut one, &mut other);
    }
    assert!(tells(&one).await && !tells(&other).await);
    // Its duty is another's, as if it had been held up: what it knew is known no more.
    let db = harness.database().await;
    let taken = "UPDATE duties SET holder = gen_random_uuid() WHERE name = 'watch'";
    db.execute_unprepared(taken).await.unwrap();
    faults::until(async || !tells(&one).await, || one.log()).await;
    let given_back = "DELETE FROM duties WHERE name = 'watch'";
    db.execute_unprepared(given_back).await.unwrap();
    told(&one, &other).await;
    // Whoever stops gives it back, so that nobody waits until it has run out.
    for process in [&mut one, &mut other] {
        process.signal(Signal::TERM);
        assert_eq!(process.ended().await, Some(0), "{}", process.log());
    }
    let left = db.execute_unprepared(given_back).await.unwrap();
    assert_eq!(left.rows_affected(), 0);
    db.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn an_api_without_its_database_says_so() {
    let harness = Harness::migrated().await;
    let api = harness.process("api").await;
    let connected = async |value: f64| {
        let series = "hookline_connected{role=\"api\",to=\"database\"}";
        until(&harness, &api.url(), |text| {
            self::value(text, series) == Some(value)
        })
        .await
    };
    connected(1.0).await;
    let db = harness.database().await;
    let locked = db.begin().await.unwrap();
    let lock = "LOCK TABLE duties IN ACCESS EXCLUSIVE MODE";
    locked.execute_unprepared(lock).await.unwrap();
    let text = connected(0.0).await;
    assert!(!text.contains("hookline_outbox_entries"), "{text}");
    locked.rollback().await.unwrap();
    connected(1.0).await;
}

fn deployed(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

/// Every name of ours in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let ours = ["hookline_", "http_server_"];
    words
        .filter(|word| ours.iter().any(|start| word.starts_with(start)))
        .collect()
}

#[test]
fn rules_board_and_pages_name_only_what_is_told() {
    let known: BTreeSet<&str> = ALWAYS.into_iter().chain(SOMETIMES).collect();
    let parts = ["_bucket", "_count", "_sum"];
    let board = std::fs::read_to_string(deployed("grafana/hookline.json")).unwrap();
    let board_names = names(&board);
    for file in [
        "prometheus/rules.yml",
        "grafana/hookline.json",
        "../docs/OPERATIONS.md",
    ] {
        let text = std::fs::read_to_string(deployed(file)).unwrap();
        let named = names(&text);
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in named {
            let family = parts.iter().find_map(|part| name.strip_suffix(part));
            let is_known = known.contains(name) || family.is_some_and(|name| known.contains(name));
            assert!(is_known, "{file} names {name}, which nobody tells");
        }
    }
    // Nothing is told that nobody looks at.
    let shown = |name: &&&str| {
        let parts = parts.iter().map(|part| format!("{name}{part}"));
        board_names.contains(**name) || parts.into_iter().any(|name| board_names.contains(&*name))
    };
    let not_shown: Vec<_> = known.iter().filter(|name| !shown(name)).collect();
    assert_eq!(not_shown, [&"hookline_build_info"]);
    let board: serde_json::Value = serde_json::from_str(&board).unwrap();
    assert!(board["panels"].as_array().unwrap().len() > 20);
}

/// Runs promtool, and says what it said if it is not content.
async fn promtool(arguments: &[&str], input: &str) {
    let mut promtool = Command::new("promtool");
    promtool
        .args(arguments)
        .current_dir(deployed("prometheus"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut running = promtool.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = running.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        ended.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&ended.stdout)
    );
}

#[tokio::test]
#[ignore = "needs promtool: run scripts/test"]
async fn promtool_finds_that_each_alert_fires_for_what_it_is_about() {
    promtool(&["check", "rules", "rules.yml"], "").await;
    promtool(&["test", "rules", "rules.test.yml"], "").await;
}

#[tokio::test]
#[ignore = "needs promtool: run scripts/test"]
async fn promtool_can_read_what_is_told() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let sent = harness.post(&api, webhook("txn_1").to_string()).await;
    assert_eq!(sent.status(), 202);
    harness.settled().await;
    let text = until(&harness, &api, |text| {
        text.contains("hookline_outbox_entries")
    })
    .await;
    promtool(&["check", "metrics"], &text).await;
}

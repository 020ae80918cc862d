use std::process::{Command, Stdio};

/// A few seconds of load, and every check that a benchmark makes before it tells a figure. `hookline` must have been
/// built; `scripts/test` does that.
fn smoke(mode: &[&str]) {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.arg("bench").args(mode).arg("--smoke");
    let output = lab.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mode:?}: {stderr}");
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn under_load_every_webhook_is_processed_once_on_postgresql_and_rabbitmq() {
    smoke(&["pipeline", "--source", "stripe"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn under_load_every_webhook_is_processed_once_on_the_embedded_defaults() {
    smoke(&["embedded", "--source", "stripe"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn webhooks_that_are_told_to_come_back_are_counted_too_on_the_embedded_defaults() {
    // More senders than are answered in time by an unoptimised build on a busy machine.
    smoke(&["embedded", "--connections", "512"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn under_load_with_a_delay_every_webhook_is_processed_once() {
    smoke(&["pipeline", "--delay", "2s"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn what_is_retried_beside_new_webhooks_is_processed_once_by_its_next_attempt() {
    smoke(&["retries"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn every_list_and_page_shows_what_there_is() {
    smoke(&["lists"]);
}

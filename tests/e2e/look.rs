//! What operators look at: `hookline list`, `show`, `failures` and `status`, and `GET /v1/transactions`.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    downstream::server::Downstream,
    faults::until,
    harness::{Harness, on_both},
    processes::{Ended, SOON, command, run},
};

on_both! {
    a_list_is_the_same_over_http_and_on_the_command_line
    what_is_at_work_is_found_with_its_holder
    what_fails_is_counted_by_its_reason
    bad_questions_are_answered_with_what_would_be_right
    who_waits_hears_the_end_at_once
    whoever_waits_or_follows_keeps_no_stop_waiting
    what_happens_can_be_followed
}

async fn ask(harness: &Harness, words: &[&str]) -> Ended {
    run(harness.folder.path(), words, &harness.environment).await
}

/// What a command says as JSON.
async fn document(harness: &Harness, words: &[&str]) -> Value {
    let words: Vec<&str> = [words, &["--output", "json"]].concat();
    let ended = ask(harness, &words).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

async fn get(harness: &Harness, api: &str, query: &str) -> Value {
    let answer = harness.get(&format!("{api}/v1/transactions{query}")).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

fn body(id: &str, account: &str) -> String {
    json!({
        "transaction_id": id, "source_account": account, "destination_account": "acc_merchant_1",
        "amount": 1500.5, "currency": "INR",
    })
    .to_string()
}

async fn a_list_is_the_same_over_http_and_on_the_command_line(harness: &mut Harness) {
    let api = harness.start("").await.url().to_owned();
    for (id, account) in [("t1", "acc_a"), ("t2", "acc_b"), ("t3", "acc_a")] {
        harness.post(&api, body(id, account)).await;
        harness.processed(&api, id).await;
    }
    let page = get(harness, &api, "?account=acc_a&status=PROCESSED").await;
    let ids = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().iter();
        data.map(|row| row["transaction_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&page), ["t3", "t1"]);
    assert_eq!(page["next_cursor"], Value::Null);
    assert_eq!(page["data"][0]["source"], "transactions");
    assert_eq!(page["data"][0]["amount"].to_string(), "1500.5");
    let words = ["list", "--account", "acc_a", "--status", "processed"];
    assert_eq!(document(harness, &words).await, page);

    let first = get(harness, &api, "?limit=2").await;
    assert_eq!(ids(&first), ["t3", "t2"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(harness, &api, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(
        (ids(&second), &second["next_cursor"]),
        (vec!["t1".into()], &Value::Null)
    );

    let table = ask(harness, &["list", "--limit", "2"]).await;
    assert_eq!(table.stdout.lines().count(), 3, "{}", table.stdout);
    assert!(table.stderr.contains(cursor), "{}", table.stderr);
    let none = ask(harness, &["list", "--account", "acc_c"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert_eq!(none.stderr, "hookline: nothing found\n");
    let none = document(
        harness,
        &["list", "--from", "2020-01-01T00:00:00Z", "--to", "1000days"],
    )
    .await;
    assert_eq!(none, json!({"data": [], "next_cursor": null}));

    let status = document(harness, &["status"]).await;
    assert_eq!(status["sources"][0]["source"], "transactions");
    assert_eq!(status["sources"][0]["of_the_newest"], 3);
    assert_eq!(
        status["outbox"],
        json!({"count": 0, "more": false, "overdue_ms": 0})
    );
    let failures = ask(harness, &["failures"]).await;
    assert_eq!(failures.stderr, "hookline: nothing has failed\n");
}

async fn what_is_at_work_is_found_with_its_holder(harness: &mut Harness) {
    harness.environment.insert("PROCESSING_DELAY", "3s".into());
    let api = harness.start("").await.url().to_owned();
    harness.post(&api, body("t1", "acc_a")).await;
    harness.post(&api, body("t1", "acc_b")).await;
    let shown = document(harness, &["show", "t1"]).await;
    assert_eq!(shown["transaction"]["status"], "PROCESSING");
    assert_eq!(shown["place"]["table"], "outbox");
    assert_eq!(shown["conflicts"][0]["source_account"], "acc_b");
    assert_eq!(shown["conflicts"][0]["amount"].to_string(), "1500.5");
    let listed = get(harness, &api, "?status=PROCESSING").await;
    assert_eq!(listed["data"][0]["transaction_id"], "t1");
    let table = ask(harness, &["show", "transactions", "t1"]).await.stdout;
    assert!(table.contains("\nstatus       PROCESSING\n"), "{table}");
    harness.processed(&api, "t1").await;
    let shown = document(harness, &["show", "t1"]).await;
    assert_eq!(shown["place"], Value::Null);
}

async fn what_fails_is_counted_by_its_reason(harness: &mut Harness) {
    let downstream = Downstream::start(|_| (422, Duration::ZERO)).await;
    harness
        .environment
        .insert("PROCESS_URL", downstream.url.clone());
    (harness.failed, harness.dead_letters) = (2, 2);
    let api = harness.start("").await.url().to_owned();
    for id in ["t1", "t2"] {
        harness.post(&api, body(id, "acc_a")).await;
    }
    let is_there = async || {
        let failed = get(harness, &api, "?status=FAILED").await;
        failed["data"].as_array().unwrap().len() == 2
    };
    until(is_there, || harness.running_log()).await;
    let failed = get(harness, &api, "?status=FAILED&account=acc_a&limit=1").await;
    assert_eq!(failed["data"][0]["transaction_id"], "t2");
    assert_eq!(failed["data"][0]["failure"]["verdict"], "PERMANENT");
    let groups = document(harness, &["failures", "--since", "1h"]).await;
    let [group] = groups["data"].as_array().unwrap().as_slice() else {
        panic!("{groups}")
    };
    assert_eq!(
        (&group["count"], &group["status"]),
        (&json!(2), &json!(422))
    );
    assert_eq!(
        (&group["source"], &group["verdict"]),
        (&json!("transactions"), &json!("PERMANENT"))
    );
    let error = group["error"].as_str().unwrap();
    assert!(error.contains("N ") && !error.contains("422"), "{error}");
    let answer = harness
        .get(&format!("{api}/v1/failures?source=transactions"))
        .await;
    assert_eq!(answer.json::<Value>().await.unwrap(), groups);
    let wrong = harness
        .get(&format!("{api}/v1/failures?since=yesterday"))
        .await;
    assert_eq!(wrong.status(), 422);
    let refused = ask(harness, &["refusals"]).await;
    assert_eq!(refused.stderr, "hookline: nothing was refused\n");
    let none = document(harness, &["failures", "--since", "2999-01-01T00:00:00Z"]).await;
    assert_eq!(none, json!({"data": [], "more": false}));
    let shown = ask(harness, &["show", "t1", "--attempts"]).await.stdout;
    assert!(
        shown.contains("REFUSED") && shown.contains("PERMANENT: answered 422"),
        "{shown}"
    );
    let listed = ask(harness, &["list", "--status", "FAILED"]).await.stdout;
    assert!(listed.contains("answered 422"), "{listed}");
}

async fn bad_questions_are_answered_with_what_would_be_right(harness: &mut Harness) {
    let api = harness.start("").await.url().to_owned();
    let url = format!("{api}/v1/transactions?status=DONE&limit=0&cursor=x&stauts=1");
    let answer = harness.get(&url).await;
    assert_eq!(answer.status(), 422);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    let fields = problem["errors"].as_array().unwrap().iter();
    let fields: Vec<&str> = fields
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["", "status", "limit", "cursor"]);
    let answer = harness
        .get(&format!("{api}/v1/transactions/?account=%27%3B%20DROP"))
        .await;
    assert_eq!(answer.status(), 200);

    for (words, says) in [
        (
            vec!["list", "--limit", "201"],
            "--limit must be a whole number from 1 to 200",
        ),
        (
            vec!["list", "--status", "done"],
            "--status must be one of PROCESSING, PROCESSED, FAILED",
        ),
        (vec!["list", "--from", "soon"], "FROM must be a time"),
        (
            vec!["list", "--from", "1h", "--to", "2h"],
            "--to must be later than from",
        ),
        (
            vec!["list", "--output", "xml"],
            "OUTPUT must be one of: table, json",
        ),
        (
            vec!["show", "A", "t1"],
            "SOURCE must have 1 to 63 characters",
        ),
    ] {
        let ended = ask(harness, &words).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{words:?}"
        );
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    let ended = ask(harness, &["show", "a\u{202e}b"]).await;
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stderr,
        "hookline: no transaction a\\u{202e}b is there\n"
    );
}

#[tokio::test]
async fn looking_makes_no_database() {
    let harness = Harness::embedded();
    for words in [
        vec!["list"],
        vec!["status"],
        vec!["failures"],
        vec!["show", "t1"],
    ] {
        let ended = ask(&harness, &words).await;
        assert_eq!(ended.code, Some(1));
        let says = ended.stderr;
        assert!(says.ends_with("hookline.db is not there\n"), "{says}");
    }
    assert_eq!(std::fs::read_dir(harness.folder.path()).unwrap().count(), 0);
}

async fn who_waits_hears_the_end_at_once(harness: &mut Harness) {
    harness.environment.insert("PROCESSING_DELAY", "2s".into());
    let api = harness.start("").await.url().to_owned();
    harness.post(&api, body("t1", "acc_a")).await;
    let ask = |wait| status_after(harness, &api, "t1", wait);
    assert_eq!(ask("1ms").await, "PROCESSING");
    assert_eq!(ask("30s").await, "PROCESSED");
    let wrong = format!("{api}/v1/transactions/t1?wait=soon");
    assert_eq!(harness.get(&wrong).await.status(), 422);
}

async fn whoever_waits_or_follows_keeps_no_stop_waiting(harness: &mut Harness) {
    harness.environment.insert("PROCESSING_DELAY", "3s".into());
    let mut process = harness.process("").await;
    let api = process.url();
    let mut stream = harness.get(&format!("{api}/v1/events")).await;
    harness.post(&api, body("t1", "acc_a")).await;
    let waits = status_after(harness, &api, "t1", "60s");
    let stops = async {
        // It waits as soon as it is asked about, which nothing outside tells.
        tokio::time::sleep(Duration::from_millis(300)).await;
        process.signal(Signal::TERM);
        let since = Instant::now();
        assert_eq!(process.ended().await, Some(0));
        since.elapsed()
    };
    let (status, took) = tokio::join!(waits, stops);
    assert_eq!(status, "PROCESSING");
    assert!(took < Duration::from_secs(5), "{took:?}");
    while let Some(chunk) = stream.chunk().await.unwrap() {
        assert!(!chunk.is_empty());
    }
    // What was left behind is done by the next.
    harness.start("").await;
}

async fn status_after(harness: &Harness, api: &str, id: &str, wait: &str) -> String {
    let url = format!("{api}/v1/transactions/{id}?wait={wait}");
    let answer: Value = harness.get(&url).await.json().await.unwrap();
    answer["status"].as_str().unwrap().to_owned()
}

async fn what_happens_can_be_followed(harness: &mut Harness) {
    let api = harness.start("").await.url().to_owned();
    let mut stream = harness.get(&format!("{api}/v1/events")).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    harness.post(&api, body("t1", "acc_a")).await;
    let mut told = String::new();
    while !told.contains("event: finished") {
        let chunk = stream.chunk().await.unwrap().expect("the stream has ended");
        told += std::str::from_utf8(&chunk).unwrap();
    }
    let mut ids = told.lines().filter_map(|line| line.strip_prefix("id: "));
    let accepted = told.find("event: accepted").unwrap();
    assert!(accepted < told.find("event: finished").unwrap(), "{told}");
    let about = r#""source":"transactions","transaction_id":"t1""#;
    assert!(told.contains(about), "{told}");
    // From the same place on the command line says the same.
    let words = ["tail", "--from", ids.next().unwrap(), "--output", "json"];
    let lines = first_lines(harness, &words, 2).await;
    let events: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    assert_eq!(events, ["accepted", "finished"]);
    assert!(lines[1]["cursor"].is_string(), "{lines:?}");
    let wrong = ask(harness, &["tail", "--from", "x"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

/// What a command that does not end says first. Then nobody reads it any more, and it ends.
async fn first_lines(harness: &Harness, words: &[&str], count: usize) -> Vec<Value> {
    let mut command = command(harness.folder.path(), words, &harness.environment);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = Vec::new();
    while read.len() < count {
        let line = tokio::time::timeout(SOON, lines.next_line()).await;
        let line = line.unwrap().unwrap().expect("it has ended");
        read.push(serde_json::from_str(&line).unwrap());
    }
    read
}

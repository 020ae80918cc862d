//! What operators look at: `hookline list`, `show`, `failures` and `status`, and `GET /v1/transactions`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    downstream::server::Downstream,
    faults::until,
    harness::{Harness, on_both},
    processes::{Ended, run},
};

on_both! {
    a_list_is_the_same_over_http_and_on_the_command_line
    what_is_at_work_is_found_with_its_holder
    what_fails_is_counted_by_its_reason
    bad_questions_are_answered_with_what_would_be_right
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

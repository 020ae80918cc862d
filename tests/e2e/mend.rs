//! What operators change: over HTTP with a token, and with `hookline` on the database itself, beside a running process.

use std::time::Duration;

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use crate::{
    downstream::server::Downstream,
    faults::until,
    harness::{Harness, on_both, webhook},
    processes::{Ended, run},
};

on_both! {
    what_failed_is_retried_and_what_is_processed_is_replayed
    what_cannot_be_says_why_and_changes_nothing
    all_that_match_are_retried_once
    the_command_line_mends_beside_a_running_process
    the_command_line_mends_all_that_match
    a_page_of_another_site_changes_nothing
    it_must_be_clear_what_is_to_be_retried
    what_is_paused_waits_and_is_received
}

const ADMIN: &str = "a-secret-for-everything";
const OK: (u16, Duration) = (200, Duration::ZERO);
const REFUSED: (u16, Duration) = (422, Duration::ZERO);

/// An API that calls a downstream service which refuses everything, and somebody who may change it.
async fn scene(harness: &mut Harness) -> (String, Downstream) {
    let downstream = Downstream::start(|_| REFUSED).await;
    for (variable, value) in [
        ("PROCESS_URL", downstream.url.clone()),
        ("ADMIN_TOKEN", format!("anna:{ADMIN}")),
    ] {
        harness.environment.insert(variable, value);
    }
    let api = harness.start("").await.url();
    (api, downstream)
}

async fn send(harness: &Harness, method: Method, url: &str, body: &Value) -> Response {
    let request = harness.client.request(method, url).bearer_auth(ADMIN);
    let request = match body {
        Value::Null => request,
        body => request.json(body),
    };
    request.send().await.unwrap()
}

/// Posts as somebody who may, and returns the status and what is answered.
async fn post(harness: &Harness, url: &str, body: Value) -> (u16, Value) {
    let answer = send(harness, Method::POST, url, &body).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn get(harness: &Harness, url: &str) -> Value {
    harness.get(url).await.json().await.unwrap()
}

async fn until_status(harness: &Harness, api: &str, id: &str, status: &str) {
    until(
        async || harness.transaction(api, id).await["status"] == status,
        || format!("{id} is not {status}"),
    )
    .await;
}

fn because(reason: &str) -> Value {
    json!({ "reason": reason })
}

async fn what_failed_is_retried_and_what_is_processed_is_replayed(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    harness.dead_letters = 1;
    harness.send(&api, "t1").await;
    until_status(harness, &api, "t1", "FAILED").await;
    downstream.answer(|_| OK);
    let url = format!("{api}/v1/transactions/t1");
    let (status, mended) = post(harness, &format!("{url}/retry"), because("it is back")).await;
    assert_eq!(status, 202, "{mended}");
    assert_eq!(
        mended,
        json!({"source": "transactions", "transaction_id": "t1", "status": "PROCESSING"})
    );
    harness.processed(&api, "t1").await;
    let (status, mended) = post(harness, &format!("{url}/replay"), because("lost there")).await;
    assert_eq!((status, &mended["status"]), (202, &json!("PROCESSED")));
    until(
        async || downstream.calls().len() == 3,
        || "the replay was not called".into(),
    )
    .await;
    let calls = downstream.calls();
    let replays: Vec<bool> = calls
        .iter()
        .map(|call| call.headers.contains_key("hookline-replay"))
        .collect();
    assert_eq!(replays, [false, false, true]);
    assert_eq!(calls[2].header("hookline-replay"), "true");
    let keys = calls.iter().map(|call| call.header("idempotency-key"));
    assert!(keys.eq(["t1"; 3]), "{calls:?}");
    until(
        async || {
            let attempts = get(harness, &format!("{url}/attempts")).await;
            let numbers = attempts["attempts"].as_array().unwrap().iter();
            numbers
                .map(|attempt| attempt["number"].as_i64())
                .eq([Some(1), Some(2), Some(3)])
        },
        || "the attempts are not counted on".into(),
    )
    .await;
    assert_eq!(harness.transaction(&api, "t1").await["status"], "PROCESSED");

    let audit = get(harness, &format!("{api}/v1/audit")).await;
    let acts: Vec<[&str; 4]> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            ["act", "who", "reason", "transaction_id"].map(|name| line[name].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        acts,
        [
            ["replay", "anna", "lost there", "t1"],
            ["retry", "anna", "it is back", "t1"],
        ]
    );
}

async fn what_cannot_be_says_why_and_changes_nothing(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    downstream.answer(|_| OK);
    let id = "'; DROP TABLE audit; --";
    harness.post(&api, webhook(id).to_string()).await;
    let path = "%27%3B%20DROP%20TABLE%20audit%3B%20--";
    let url = format!("{api}/v1/transactions/{path}");
    until(
        async || get(harness, &url).await["status"] == "PROCESSED",
        || "it is not processed".into(),
    )
    .await;
    for (act, why) in [
        ("retry", "only what is FAILED can be retried"),
        ("give-up", "only what is PROCESSING can be given up"),
    ] {
        let (status, problem) = post(harness, &format!("{url}/{act}"), because("x")).await;
        assert_eq!(status, 409, "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(why),
            "{problem}"
        );
    }
    for unknown in ["t2", "a%00b", "%1B%5B2J", &"x".repeat(256)] {
        let url = format!("{api}/v1/transactions/{unknown}/retry");
        assert_eq!(post(harness, &url, because("x")).await.0, 404, "{unknown}");
    }
    let url = format!("{url}/replay");
    for (body, fields) in [
        (json!({}), vec!["reason"]),
        (json!({"reason": ""}), vec!["reason"]),
        (json!({"reason": "a\nb"}), vec!["reason"]),
        (json!({"reason": "x".repeat(1001)}), vec!["reason"]),
        (json!({"reason": 1, "force": true}), vec!["reason", ""]),
        (json!([]), vec![""]),
    ] {
        let (status, problem) = post(harness, &url, body).await;
        assert_eq!(status, 422, "{problem}");
        let errors = problem["errors"].as_array().unwrap().iter();
        let named: Vec<&str> = errors.map(|e| e["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{problem}");
    }
    let megabyte = because(&"x".repeat(1 << 20));
    assert_eq!(post(harness, &url, megabyte).await.0, 413);
}

async fn a_page_of_another_site_changes_nothing(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    downstream.answer(|_| OK);
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
    let url = format!("{api}/v1/transactions/t1/replay");
    // What a page of another site can have a browser send, and what nobody has a token for.
    let simple = [
        ("text/plain", None, 415),
        ("application/x-www-form-urlencoded", None, 415),
        (
            "application/json",
            Some(("origin", "https://evil.example")),
            403,
        ),
        (
            "application/json",
            Some(("sec-fetch-site", "cross-site")),
            403,
        ),
        (
            "application/json",
            Some(("sec-fetch-site", "same-origin")),
            202,
        ),
    ];
    for (content_type, from, status) in simple {
        let request = harness.client.post(&url).bearer_auth(ADMIN);
        let request = request.header(header::CONTENT_TYPE, content_type);
        let request = match from {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        let answer = request.body(because("x").to_string()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{content_type} {from:?}");
        let cors = answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(cors, None);
    }
    let unasked = harness.client.post(&url).json(&because("x"));
    assert_eq!(unasked.send().await.unwrap().status(), 401);
    let attempts = format!("{api}/v1/transactions/t1/attempts");
    until(
        async || get(harness, &attempts).await["attempts"][1]["number"] == 2,
        || "the replay has not come to its end".into(),
    )
    .await;
}

async fn it_must_be_clear_what_is_to_be_retried(harness: &mut Harness) {
    let (api, _downstream) = scene(harness).await;
    let url = format!("{api}/v1/retries");
    let filter = json!({"source": "transactions"});
    for (body, field) in [
        (json!({"filter": filter, "rate": 0, "reason": "x"}), "rate"),
        (
            json!({"filter": filter, "rate": 1.5, "reason": "x"}),
            "rate",
        ),
        (json!({"filter": filter}), "reason"),
        (json!({"reason": "x"}), "filter"),
        (
            json!({"filter": {"status": "PROCESSED"}, "reason": "x"}),
            "filter.status",
        ),
        (json!({"filter": {"sauce": "x"}, "reason": "x"}), "filter"),
        (
            json!({"filter": {"from": "2024-01-02T00:00:00Z", "to": "2024-01-01T00:00:00Z"}, "reason": "x"}),
            "filter.to",
        ),
        (json!({"filter": filter, "dryrun": true, "reason": "x"}), ""),
    ] {
        let (status, problem) = post(harness, &url, body).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(get(harness, &url).await, json!({"data": []}));
}

async fn all_that_match_are_retried_once(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    harness.dead_letters = 7;
    for number in 0..7 {
        harness.send(&api, &format!("t{number}")).await;
    }
    for number in 0..7 {
        until_status(harness, &api, &format!("t{number}"), "FAILED").await;
    }
    downstream.answer(|_| OK);
    let before = downstream.calls().len();
    let url = format!("{api}/v1/retries");
    let filter = json!({"status": "FAILED", "source": "transactions", "error": "answered N"});
    let dry = json!({"filter": filter, "dry_run": true});
    assert_eq!(post(harness, &url, dry).await, (200, json!({"matched": 7})));
    let none = json!({"filter": {"verdict": "POISON"}, "dry_run": true});
    assert_eq!(
        post(harness, &url, none).await,
        (200, json!({"matched": 0}))
    );
    let begin = json!({"filter": filter, "rate": 1000, "reason": "it is back"});
    let (one, other) = tokio::join!(
        post(harness, &url, begin.clone()),
        post(harness, &url, begin.clone())
    );
    assert_eq!((one.0, other.0), (202, 202), "{one:?} {other:?}");
    let mut retried = 0;
    for (_, begun) in [&one, &other] {
        let url = format!("{url}/{}", begun["id"].as_str().unwrap());
        until(
            async || {
                let now = get(harness, &url).await;
                now["state"] == "DONE" && now["progress"]["unfinished"] == 0
            },
            || "it is not done".into(),
        )
        .await;
        let done = get(harness, &url).await;
        assert_eq!(done["matched"], 7, "{done}");
        assert_eq!(done["who"], "anna");
        retried += done["retried"].as_u64().unwrap();
        let again = send(
            harness,
            Method::DELETE,
            &format!("{url}?reason=x"),
            &Value::Null,
        )
        .await;
        assert_eq!(again.status(), 409);
    }
    assert_eq!(retried, 7, "each of them once");
    for number in 0..7 {
        harness.processed(&api, &format!("t{number}")).await;
    }
    assert_eq!(downstream.calls().len() - before, 7);
    let unknown = format!("{url}/018d0cba-e040-7000-8000-000000000000");
    assert_eq!(harness.get(&unknown).await.status(), 404);
    assert_eq!(harness.get(&format!("{url}/x")).await.status(), 404);
    assert_eq!(
        get(harness, &url).await["data"].as_array().unwrap().len(),
        2
    );
}

async fn ask(harness: &Harness, words: &[&str]) -> Ended {
    run(harness.folder.path(), words, &harness.environment).await
}

async fn the_command_line_mends_beside_a_running_process(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    harness.dead_letters = 1;
    harness.send(&api, "t1").await;
    until_status(harness, &api, "t1", "FAILED").await;
    let without_reason = ask(harness, &["retry", "t1"]).await;
    assert_eq!(without_reason.code, Some(2), "{}", without_reason.stderr);
    assert!(without_reason.stderr.contains("REASON must be given"));
    downstream.answer(|_| OK);
    let one = ask(harness, &["retry", "t1", "--reason", "it is back"]).await;
    assert_eq!(one.code, Some(0), "{}", one.stderr);
    assert!(one.stdout.contains("PROCESSING"), "{}", one.stdout);
    harness.processed(&api, "t1").await;
    let again = ask(harness, &["retry", "t1", "--reason", "again"]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(
        again
            .stderr
            .contains("t1 is not retried: only what is FAILED"),
        "{}",
        again.stderr
    );
    let unknown = ask(harness, &["replay", "t9", "--reason", "x"]).await;
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
}

#[expect(clippy::too_many_lines, reason = "it is one story")]
async fn the_command_line_mends_all_that_match(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    harness.dead_letters = 2;
    for id in ["t2", "t3"] {
        harness.send(&api, id).await;
        until_status(harness, &api, id, "FAILED").await;
    }
    downstream.answer(|_| OK);
    let before = downstream.calls().len();
    let count = ask(harness, &["retry", "--source", "transactions", "--dry-run"]).await;
    assert_eq!(
        count.stdout, "2 failed transactions match\n",
        "{}",
        count.stderr
    );
    for (words, sentence) in [
        (vec!["retry", "--reason", "x"], "ID must be given"),
        (vec!["retry", "--all", "--reason", "x"], "YES must be given"),
        (
            vec!["retry", "--all", "--rate", "0", "--yes", "--reason", "x"],
            "RATE must be",
        ),
        (
            vec!["retry", "--verdict", "x", "--reason", "x"],
            "--verdict must be",
        ),
    ] {
        let refused = ask(harness, &words).await;
        assert_eq!(refused.code, Some(2), "{words:?} {}", refused.stderr);
        assert!(
            refused.stderr.contains(sentence),
            "{words:?} {}",
            refused.stderr
        );
    }
    let words = [
        "retry",
        "--all",
        "--yes",
        "--watch",
        "--reason",
        "it is back",
        "--output",
        "json",
    ];
    let all = ask(harness, &words).await;
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    let done: Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(
        (&done["state"], &done["retried"]),
        (&json!("DONE"), &json!(2)),
        "{done}"
    );
    for id in ["t2", "t3"] {
        harness.processed(&api, id).await;
    }
    let replay = ask(harness, &["replay", "t3", "t2", "--reason", "lost there"]).await;
    assert_eq!(replay.code, Some(0), "{}", replay.stderr);
    until(
        async || downstream.calls().len() == before + 4,
        || "the replays were not called".into(),
    )
    .await;
    let audit = ask(harness, &["audit", "--output", "json"]).await;
    let audit: Value = serde_json::from_str(&audit.stdout).unwrap();
    let acts: Vec<&str> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["act"].as_str().unwrap())
        .collect();
    assert_eq!(acts, ["replay", "replay", "bulk_retry"]);
    let who = audit["data"][0]["who"].as_str().unwrap();
    assert!(who.starts_with("cli:"), "{who}");
}

async fn what_is_paused_waits_and_is_received(harness: &mut Harness) {
    let (api, downstream) = scene(harness).await;
    downstream.answer(|_| OK);
    let pause = ask(
        harness,
        &["pause", "--all", "--for", "1h", "--reason", "they migrate"],
    )
    .await;
    assert_eq!(pause.code, Some(0), "{}", pause.stderr);
    assert!(pause.stdout.contains("everything"), "{}", pause.stdout);
    let status = ask(harness, &["status"]).await;
    assert!(status.stdout.contains("they migrate"), "{}", status.stdout);
    let pauses = get(harness, &format!("{api}/v1/pauses")).await;
    assert_eq!(pauses["data"][0]["source"], "*", "{pauses}");
    // Within seconds nobody begins anything: that is told by what has already begun.
    tokio::time::sleep(Duration::from_secs(3)).await;
    harness.send(&api, "t1").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(downstream.calls().len(), 0);
    assert_eq!(
        harness.transaction(&api, "t1").await["status"],
        "PROCESSING"
    );
    let url = format!("{api}/v1/pauses");
    let resumed = send(
        harness,
        Method::DELETE,
        &format!("{url}/*?reason=done"),
        &Value::Null,
    )
    .await;
    assert_eq!(resumed.status(), 202);
    harness.processed(&api, "t1").await;
    for (path, status) in [
        ("*?reason=x", 409),
        ("stripe?reason=x", 409),
        ("A?reason=x", 404),
        ("*", 422),
    ] {
        let answer = send(
            harness,
            Method::DELETE,
            &format!("{url}/{path}"),
            &Value::Null,
        )
        .await;
        assert_eq!(answer.status(), status, "{path}");
    }
    for (body, field) in [
        (json!({"reason": "x"}), "source"),
        (json!({"source": "A", "reason": "x"}), "source"),
        (
            json!({"source": "*", "until": "tomorrow", "reason": "x"}),
            "until",
        ),
    ] {
        let (status, problem) = post(harness, &url, body).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let over = json!({"source": "*", "until": "2024-01-01T00:00:00Z", "reason": "x"});
    assert_eq!(post(harness, &url, over).await.0, 409);
    let again = ask(harness, &["resume", "--all", "--reason", "x"]).await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
}

//! What is kept, exported, summed up and erased; and whether everything is there.

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::{
    harness::{Harness, on_both},
    processes::{Ended, run},
};

on_both! {
    a_day_is_closed_with_a_file_and_exact_sums
    what_is_erased_is_gone_and_still_known
    nothing_goes_that_is_not_old
    what_an_operator_has_deleted_is_in_the_audit
    a_doctor_finds_what_is_bad
}

const SPAN: &str = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
const FROM_TO: [&str; 4] = [
    "--from",
    "2000-01-01T00:00:00Z",
    "--to",
    "2100-01-01T00:00:00Z",
];

async fn ask(harness: &Harness, words: &[&str]) -> Ended {
    run(harness.folder.path(), words, &harness.environment).await
}

fn body(id: &str, account: &str, amount: &str) -> String {
    format!(
        r#"{{"transaction_id":"{id}","source_account":"{account}","destination_account":"b","amount":{amount},"currency":"INR"}}"#
    )
}

/// Three that are processed.
async fn three(harness: &mut Harness) -> String {
    let api = harness.start("").await.url().to_owned();
    for (id, account, amount) in [
        ("t1", "acc_a", "0.1"),
        ("t2", "acc_b", "0.2"),
        ("t3", "acc_a", "999999999999999.9999"),
    ] {
        harness.post(&api, body(id, account, amount)).await;
        harness.processed(&api, id).await;
    }
    api
}

async fn a_day_is_closed_with_a_file_and_exact_sums(harness: &mut Harness) {
    let api = three(harness).await;
    let summary = harness.get(&format!("{api}/v1/summary?{SPAN}")).await;
    let summary: Value = summary.json().await.unwrap();
    let line = json!({
        "source": "transactions", "currency": "INR", "status": "PROCESSED", "count": 3, "sum": "1000000000000000.2999"
    });
    assert_eq!(summary["data"], json!([line]));
    let words = [&["summary"], &FROM_TO[..], &["--output", "json"]].concat();
    let told = ask(harness, &words).await;
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told, summary);

    for format in ["csv", "jsonl"] {
        let answer = harness
            .get(&format!("{api}/v1/export?format={format}&{SPAN}"))
            .await;
        assert_eq!(answer.status(), 200);
        let file = answer.text().await.unwrap();
        let words = [&["export"], &FROM_TO[..], &["--format", format]].concat();
        let exported = ask(harness, &words).await;
        assert_eq!((exported.code, &exported.stdout), (Some(0), &file));
        assert!(file.contains("999999999999999.9999"), "{file}");
    }
    let none = ask(
        harness,
        &[
            "export",
            "--from",
            "2000-01-01T00:00:00Z",
            "--to",
            "2000-01-02T00:00:00Z",
        ],
    )
    .await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert_eq!(none.stderr, "hookline: nothing found\n");
    let wrong = ask(harness, &["summary", "--from", "1d", "--by", "account"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("--by must be"), "{}", wrong.stderr);
}

async fn what_is_erased_is_gone_and_still_known(harness: &mut Harness) {
    let api = three(harness).await;
    let erase = ["erase", "--account", "acc_a"];
    let asked = ask(harness, &erase).await;
    assert_eq!(asked.code, Some(2), "{}", asked.stderr);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    let words = [&erase[..], &["--yes", "--reason", "asked for"]].concat();
    let done = ask(harness, &words).await;
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "2 transactions are erased\n")
    );
    for (id, status) in [("t1", 410), ("t2", 200), ("t3", 410)] {
        let found = harness.get(&format!("{api}/v1/transactions/{id}")).await;
        assert_eq!(found.status(), status, "{id}");
    }
    let again = harness.post(&api, body("t1", "acc_a", "0.1")).await;
    let again: Value = again.json().await.unwrap();
    let known = json!({"transaction_id": "t1", "status": "PROCESSED", "duplicate": true, "conflict": false});
    assert_eq!(again, known);
    let shown = ask(harness, &["show", "t1"]).await;
    assert!(shown.stdout.contains("kept no more"), "{}", shown.stdout);
    let unknown = ask(harness, &["erase", "t4", "--yes", "--reason", "asked for"]).await;
    assert_eq!(unknown.code, Some(3), "{}", unknown.stderr);
}

async fn nothing_goes_that_is_not_old(harness: &mut Harness) {
    let api = three(harness).await;
    harness
        .environment
        .insert("RETENTION_TRANSACTIONS", "1d".into());
    for words in [&["retention", "--dry-run"][..], &["retention"]] {
        let ended = ask(harness, words).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), ""),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains("nothing is as old"),
            "{}",
            ended.stderr
        );
    }
    for id in ["t1", "t2", "t3"] {
        let found = harness.get(&format!("{api}/v1/transactions/{id}")).await;
        assert_eq!(found.status(), 200);
    }
    harness
        .environment
        .insert("RETENTION_TRANSACTIONS", "1h".into());
    let wrong = ask(harness, &["retention"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong
            .stderr
            .contains("RETENTION_TRANSACTIONS must be 1d or longer"),
        "{}",
        wrong.stderr
    );
}

async fn what_an_operator_has_deleted_is_in_the_audit(harness: &mut Harness) {
    let api = three(harness).await;
    harness.post(&api, body("t1", "acc_b", "7")).await;
    let conflicts = async || {
        let found = harness
            .get(&format!("{api}/v1/transactions/t1/conflicts"))
            .await;
        let found: Value = found.json().await.unwrap();
        found["conflicts"].as_array().unwrap().len()
    };
    assert_eq!(conflicts().await, 1);
    let db = harness.database().await;
    let pass = "UPDATE conflicts SET received_at = '2024-01-15T10:30:00.000Z'";
    db.execute_unprepared(pass).await.unwrap();
    db.close().await.unwrap();
    let mut environment = harness.environment.clone();
    environment.insert("RETENTION_CONFLICTS", "1d".into());
    let ask = async |words: &[&str]| run(harness.folder.path(), words, &environment).await;
    let without_reason = ask(&["retention"]).await;
    assert_eq!(without_reason.code, Some(2), "{}", without_reason.stderr);
    assert!(without_reason.stderr.contains("REASON must be given"));
    assert_eq!(conflicts().await, 1);
    let done = ask(&["retention", "--reason", "the disk fills"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("gone"), "{}", done.stdout);
    assert_eq!(conflicts().await, 0);
    let audit = ask(&["audit", "--output", "json"]).await;
    let audit: Value = serde_json::from_str(&audit.stdout).unwrap();
    let [line] = audit["data"].as_array().unwrap().as_slice() else {
        panic!("{audit}")
    };
    let told = ["act", "reason", "count"].map(|name| &line[name]);
    assert_eq!(
        told,
        [&json!("retention"), &json!("the disk fills"), &json!(1)]
    );
}

async fn a_doctor_finds_what_is_bad(harness: &mut Harness) {
    three(harness).await;
    let well = ask(harness, &["doctor"]).await;
    assert_eq!(well.code, Some(0), "{}{}", well.stdout, well.stderr);
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    harness
        .environment
        .insert("PROCESS_URL", "http://user:s3cret@127.0.0.1:1/x".into());
    harness.environment.insert("PROCESS_SECRET", secret.into());
    harness
        .environment
        .insert("ADMIN_TOKEN_FILE", "nowhere".into());
    harness.environment.insert("ALERT_SECRET", secret.into());
    let ill = ask(harness, &["doctor", "--output", "json"]).await;
    assert_eq!(ill.code, Some(1), "{}", ill.stderr);
    let findings: Value = serde_json::from_str(&ill.stdout).unwrap();
    let bad = findings.as_array().unwrap().iter();
    let bad: Vec<&Value> = bad
        .filter(|finding| finding["is"] == "bad")
        .map(|finding| &finding["what"])
        .collect();
    assert_eq!(bad, ["tokens", "alerts", "downstream"], "{findings}");
    for variable in ["ADMIN_TOKEN_FILE", "ALERT_SECRET"] {
        harness.environment.remove(variable);
    }
    let config = ask(
        harness,
        &["config", "--process-timeout", "7s", "--output", "json"],
    )
    .await;
    let said = [&ill.stdout, &ill.stderr, &config.stdout, &config.stderr];
    for secret in [secret, "s3cret"] {
        assert!(said.iter().all(|said| !said.contains(secret)), "{said:?}");
    }
    let settings: Value = serde_json::from_str(&config.stdout).unwrap();
    let settings = settings.as_array().unwrap();
    for (name, value, from) in [
        ("PROCESS_TIMEOUT", json!("7s"), json!("flag")),
        ("PROCESS_SECRET", json!("(set)"), json!("environment")),
        ("KEEP_ALIVE", json!("620s"), json!("default")),
        ("RETENTION_AUDIT", Value::Null, Value::Null),
    ] {
        let setting = settings.iter().find(|setting| setting["setting"] == name);
        let setting = setting.expect(name);
        assert_eq!(
            (&setting["value"], &setting["from"]),
            (&value, &from),
            "{name}"
        );
    }
}

//! `hookline sources`, and what docs/SOURCES.md says of it.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    harness::Harness,
    processes::{Ended, run},
};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SOURCES.md");
    fs::read_to_string(path).unwrap()
}

/// What stands between two texts of the page.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(start).expect(start);
    rest.split_once(end).expect(end).0
}

/// The file of the page, with the secrets to which it refers.
fn scene(page: &str) -> Harness {
    let mut harness = Harness::embedded();
    let folder = harness.folder.path();
    let document = between(page, "```toml\n", "```");
    fs::write(folder.join("sources.toml"), document).unwrap();
    fs::create_dir(folder.join("secrets")).unwrap();
    for (name, secret) in [
        ("stripe", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n"),
        ("stripe-previous", "whsec_test_secret_of_stripe\n"),
        ("square", "a signature key of Square\n"),
        ("acme", "what acme has agreed upon\n"),
    ] {
        fs::write(folder.join("secrets").join(name), secret).unwrap();
    }
    fs::write(
        folder.join("event.json"),
        r#"{"id":"evt_1","type":"charge.succeeded"}"#,
    )
    .unwrap();
    let client_secret = "what Shopify calls its client secret";
    harness
        .environment
        .insert("SHOPIFY_EU_SECRET", client_secret.into());
    harness
        .environment
        .insert("SOURCES_FILE", "sources.toml".into());
    harness.environment.remove("PORT");
    harness
}

async fn sources(harness: &Harness, words: &[&str]) -> Ended {
    let words: Vec<&str> = [&["sources"], words].concat();
    let ended = run(harness.folder.path(), &words, &harness.environment).await;
    for part in ["whsec_C", "whsec_t", "Shopify calls", "acme has"] {
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains(part), "{said}");
    }
    ended
}

#[tokio::test]
async fn check_lists_what_is_configured_as_the_page_shows_it() {
    let page = page();
    let harness = scene(&page);
    let ended = sources(&harness, &["check"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let shown = between(&page, "$ hookline sources check\n", "```");
    assert!(
        ended.stdout == shown,
        "the page must show:\n{}",
        ended.stdout
    );
    let json = sources(&harness, &["check", "--output", "json"])
        .await
        .stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[3]["source"], "stripe");
    assert_eq!(json[3]["secrets"][0]["bytes"], 38);
    assert_eq!(json[3]["self_test"], "passed");
}

#[tokio::test]
async fn check_ends_with_1_if_something_is_wrong_and_lists_the_rest() {
    let harness = scene(&page());
    fs::remove_file(harness.folder.path().join("secrets/acme")).unwrap();
    let ended = sources(&harness, &["check"]).await;
    assert_eq!(ended.code, Some(1));
    let sentence = "hookline: SOURCES_FILE, source acme: file:secrets/acme does not exist\n";
    assert!(ended.stderr.ends_with(sentence), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 5, "{}", ended.stdout);
    assert_eq!(
        ended.stdout.matches("passed").count(),
        3,
        "{}",
        ended.stdout
    );
    fs::write(harness.folder.path().join("sources.toml"), "[sources").unwrap();
    let ended = sources(&harness, &["check"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("line 1: it must be TOML"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn check_says_that_there_is_no_source() {
    let harness = Harness::embedded();
    let ended = sources(&harness, &["check"]).await;
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stdout.starts_with("no source is configured"),
        "{}",
        ended.stdout
    );
    let json = sources(&harness, &["check", "--output", "json"])
        .await
        .stdout;
    assert_eq!(json, "[]\n");
}

#[tokio::test]
async fn sign_prints_a_command_as_the_page_shows_it() {
    let page = page();
    let harness = scene(&page);
    let without_numbers = |text: &str| {
        let signature = text.split("t=").nth(1).unwrap().split('\'').next().unwrap();
        text.replace(signature, "")
    };
    let ended = sources(&harness, &["sign", "stripe", "--body", "event.json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let command = "$ hookline sources sign stripe --body event.json\n";
    let shown = between(&page, command, "```");
    assert_eq!(without_numbers(&ended.stdout), without_numbers(shown));
    let words = [
        "sign",
        "square",
        "--body",
        "event.json",
        "--url",
        "http://127.0.0.1:1/",
    ];
    let elsewhere = sources(&harness, &words).await;
    // Square's events have another id.
    assert_eq!(elsewhere.code, Some(1));
    assert!(
        elsewhere.stderr.contains("no event can be read"),
        "{}",
        elsewhere.stderr
    );
    fs::write(
        harness.folder.path().join("event.json"),
        r#"{"event_id":"1"}"#,
    )
    .unwrap();
    let elsewhere = sources(&harness, &words).await.stdout;
    let target = "curl -i 'http://127.0.0.1:1/v1/webhooks/square' ";
    assert!(elsewhere.starts_with(target), "{elsewhere}");
    let unknown = sources(&harness, &["sign", "strip", "--body", "event.json"]).await;
    assert_eq!(unknown.code, Some(1));
    let names = "must be one of the configured sources: acme, shop-eu, square, stripe";
    assert!(unknown.stderr.contains(names), "{}", unknown.stderr);
}

#[tokio::test]
async fn the_page_has_a_line_for_each_preset() {
    let harness = Harness::embedded();
    let json = sources(&harness, &["presets", "--output", "json"])
        .await
        .stdout;
    let presets: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert!(presets.len() > 60);
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{}`", text.replace('|', "\\|")),
    };
    let lines = presets.iter().map(|preset| {
        let text = |name: &str| preset[name].as_str().unwrap();
        let others = preset["other_names"].as_array().unwrap();
        let others = others.iter().map(|name| code(name.as_str().unwrap()));
        let names: Vec<_> = std::iter::once(code(text("preset")))
            .chain(others)
            .collect();
        let answer = format!("{} {}", preset["answer"], code(text("answer_body")));
        let cells = [
            names.join(", "),
            code(text("header")),
            text("proof").to_owned(),
            code(text("signed")),
            code(text("id")),
            answer.trim().to_owned(),
        ];
        format!("| {} |\n", cells.join(" | "))
    });
    let table: String = lines.collect();
    let page = page();
    let (_, shown) = page
        .split_once("| --- | --- | --- | --- | --- | --- |\n")
        .unwrap();
    assert!(
        shown == table,
        "after the last headings of docs/SOURCES.md must stand:\n{table}"
    );
    let listed = sources(&harness, &["presets"]).await.stdout;
    for name in ["stripe ", "svix ", "adyen "] {
        assert!(
            listed.lines().any(|line| line.starts_with(name)),
            "{listed}"
        );
    }
}

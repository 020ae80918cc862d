//! Which sources there are: what is wrong is said in one sentence, and what changes is taken over.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    harness::Harness,
    processes::{Process, SOON, run},
    settings::refused,
};

/// Files are read again every 5 s.
const READ_AGAIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_variable_of_a_source_that_is_wrong_is_named() {
    for (variable, value, right) in [
        ("SOURCE_STRIPE_SECRET", "s3cret", "8 or more"),
        ("SOURCE_STRIPE_SECRET", " ", "empty or blank"),
        ("SOURCE_STRIPE_SECRET", "<s3cret>", "placeholder"),
        ("SOURCE_STRIPE_SECRET", "env:s3cret", "reference"),
        ("SOURCE_STRIPE_SECRET_FILE", "/s3cret", "does not exist"),
        ("SOURCE_STRIPE_SECRET_FILE", "/", "not a regular file"),
        ("SOURCE_STRIPE_SECRT", "s3cret", "_SECRET_FILE"),
        (
            "SOURCE_STRIPE_PRESET",
            "stripe",
            "SOURCE_STRIPE_SECRET must be set",
        ),
        ("SOURCE_A_PRESET", "s3cret", "hookline sources presets"),
        (
            "SOURCE_ACME_SECRET",
            "s3cret",
            "SOURCE_ACME_PRESET must be set",
        ),
        ("SOURCE_ADYEN_SECRET", "s3cret is no hex", "not hex"),
        ("SOURCE_TRANSACTIONS_SECRET", "s3cret s3cret", "whsec_"),
        (
            "SOURCE_SQUARE_SECRET",
            "s3cret s3cret s3cret",
            "SOURCE_SQUARE_PUBLIC_URL must",
        ),
        ("SOURCES_FILE", "/s3cret", "does not exist"),
        ("SOURCES_FILE", "/dev/null", "not a regular file"),
    ] {
        let mut harness = Harness::embedded();
        harness.environment.insert(variable, value.into());
        let sentence = refused(&harness, &[], 2).await;
        let words: Vec<&str> = variable.split('_').take(2).collect();
        let source = words.join("_");
        assert!(sentence.contains(&source), "{sentence}");
        assert!(sentence.contains(right), "{sentence}");
        assert!(!harness.folder.path().join("hookline.db").exists());
        harness.environment.clear();
    }
}

#[tokio::test]
async fn what_is_wrong_in_the_file_is_named_with_its_source() {
    for (document, right) in [
        (
            "[sources.stripe]\nsecretz = 's3cret'",
            "source stripe: `secretz` is no key",
        ),
        (
            "[sources.stripe]\nsecrets = ['s3cret']",
            "source stripe: `secrets`[0] must be env:NAME",
        ),
        (
            "[sources.stripe]\nsecrets = 'file:none'",
            "source stripe: file:none does not exist",
        ),
        (
            "[sources.stripe]\nsecrets = 'env:UNSET'",
            "source stripe: env:UNSET is not set",
        ),
        (
            "[sources.stripe]\nsecret_literals = 's3cret'",
            "`secret_literals`[0]: a secret has 6 bytes",
        ),
        (
            "[sources.stripe]\nsecrets = \"s3cret",
            "line 2: it must be TOML",
        ),
        (
            "[sources.stripe]\npreset = 's3cret'\nsecrets = 'env:PORT'",
            "`preset` must be one of",
        ),
    ] {
        let mut harness = Harness::embedded();
        fs::write(harness.folder.path().join("sources.toml"), document).unwrap();
        let flag = ["--sources-file", "sources.toml"];
        let sentence = refused(&harness, &flag, 2).await;
        assert!(sentence.contains("SOURCES_FILE"), "{sentence}");
        assert!(sentence.contains(right), "{sentence}");
        harness.environment.clear();
    }
}

#[tokio::test]
async fn a_line_of_env_about_a_source_that_cannot_be_read_is_told_by_its_number() {
    let harness = Harness::embedded();
    fs::write(
        harness.folder.path().join(".env"),
        "\nSOURCE_STRIPE_SECRET='s3cret\n",
    )
    .unwrap();
    let sentence = refused(&harness, &["sources", "check"], 2).await;
    assert!(
        sentence.contains(".env, line 2: SOURCE_STRIPE_SECRET"),
        "{sentence}"
    );
    let good = "SOURCE_STRIPE_SECRET=whsec_s3cret_of_stripe # a comment\n";
    fs::write(harness.folder.path().join(".env"), good).unwrap();
    let ended = run(
        harness.folder.path(),
        &["sources", "check"],
        &harness.environment,
    )
    .await;
    assert!(
        ended.stdout.contains("1: 22 bytes"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[tokio::test]
async fn each_source_is_told_at_the_start() {
    let mut harness = Harness::embedded();
    let document = "[sources.open]\nverify = 'none'\nid = 'json:/id'\n[sources.stripe]\nsecret_literals = ['a s3cret']";
    fs::write(harness.folder.path().join("sources.toml"), document).unwrap();
    harness
        .environment
        .insert("SOURCES_FILE", "sources.toml".into());
    harness
        .environment
        .insert("SOURCE_SHOP_PRESET", "shopify".into());
    harness
        .environment
        .insert("SOURCE_SHOP_SECRET", "the s3cret of a shop ".into());
    harness.start("").await;
    let log = harness.running_log();
    for line in [
        "event=\"source_configured\" source=\"stripe\" preset=\"stripe\" path=\"/v1/webhooks/stripe\" secrets=1 answer=200",
        "event=\"source_configured\" source=\"shop\" preset=\"shopify\"",
        "event=\"source_configured\" source=\"open\" preset=\"none\" path=\"/v1/webhooks/open\" secrets=0",
        "event=\"source_unverified\" source=\"open\"",
        "event=\"secret_is_short\" bytes=8",
        "SOURCE_SHOP_SECRET: a secret has white space",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

/// As Kubernetes mounts a secret: `stripe` leads to `..data/stripe`, and `..data` to a folder that is never changed.
fn mount(folder: &Path, version: &str, secret: &str) {
    let versioned = folder.join(version);
    fs::create_dir(&versioned).unwrap();
    fs::write(versioned.join("stripe"), secret).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// Waits until something is logged so many times.
async fn logged(process: &Process, event: &str, times: usize) {
    let since = Instant::now();
    let line = format!("event=\"{event}\"");
    while process.log().matches(&line).count() != times {
        assert!(since.elapsed() < READ_AGAIN, "no {line}: {}", process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_secret_that_is_swapped_is_read_again_and_one_that_vanishes_is_kept() {
    let mut harness = Harness::embedded();
    let secrets = harness.folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    mount(&secrets, "..1", "the first s3cret of stripe");
    symlink("..data/stripe", secrets.join("stripe")).unwrap();
    harness
        .environment
        .insert("SOURCE_STRIPE_SECRET_FILE", "secrets/stripe".into());
    let process = harness.process("").await;
    mount(&secrets, "..2", "the second s3cret of stripe");
    fs::remove_dir_all(secrets.join("..1")).unwrap();
    logged(&process, "sources_swapped", 1).await;
    fs::remove_file(secrets.join("..data")).unwrap();
    logged(&process, "source_not_read_again", 1).await;
    let told = "SOURCE_STRIPE_SECRET_FILE: the file does not exist";
    assert!(process.log().contains(told), "{}", process.log());
    symlink("..2", secrets.join("..data")).unwrap();
    logged(&process, "source_read_again", 1).await;
    let log = process.log();
    assert_eq!(log.matches("sources_swapped").count(), 1, "{log}");
    assert_eq!(log.matches("source_not_read_again").count(), 1, "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    let stopping = Instant::now();
    process.signal(rustix::process::Signal::TERM);
    let mut process = process;
    assert_eq!(process.ended().await, Some(0));
    assert!(stopping.elapsed() < SOON);
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_consumer_needs_no_sources() {
    let mut harness = Harness::migrated().await;
    harness
        .environment
        .insert("SOURCES_FILE", "/nonexistent".into());
    harness
        .environment
        .insert("SOURCE_STRIPE_SECRET", "short".into());
    harness.start("consumer").await;
    let sentence = refused(&harness, &["api"], 2).await;
    assert!(sentence.contains("SOURCE"), "{sentence}");
}

//! `.env`, which other programs read, too.

use crate::{
    harness::Harness,
    processes::{Ended, run},
    settings::refused,
};

fn write(harness: &Harness, content: impl AsRef<[u8]>) {
    std::fs::write(harness.folder.path().join(".env"), content).unwrap();
}

async fn migrate_status(harness: &Harness) -> Ended {
    run(
        harness.folder.path(),
        &["migrate", "status"],
        &harness.environment,
    )
    .await
}

#[tokio::test]
async fn a_variable_overrides_the_file_unless_it_is_empty() {
    let mut harness = Harness::embedded();
    write(&harness, "PREFETCH=none\nDATABASE_URL=sqlite:other.db\n");
    let sentence = refused(&harness, &["migrate", "up"], 2).await;
    assert!(sentence.contains("PREFETCH"), "{sentence}");
    harness.environment.insert("PREFETCH", "10".into());
    harness.environment.insert("DATABASE_URL", String::new());
    let ended = run(
        harness.folder.path(),
        &["migrate", "up"],
        &harness.environment,
    )
    .await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(harness.folder.path().join("other.db").exists());
    harness.environment.remove("DATABASE_URL");
}

#[tokio::test]
async fn a_line_of_ours_that_cannot_be_read_is_told_by_its_number_alone() {
    let harness = Harness::embedded();
    for line in [
        "PROCESS_SECRET='whsec_s3cret",
        "DATABASE_URL=\"postgres://u:s3cret@127.0.0.1/x\"y",
        "AMQP_URL: amqp://u:s3cret@127.0.0.1",
        "export PROCESS_SECRET whsec_s3cret",
    ] {
        write(
            &harness,
            format!("# a comment\r\nA='1\r\n2'\r\n{line}\r\nB=3\r\n"),
        );
        let sentence = refused(&harness, &["migrate", "status"], 2).await;
        assert!(sentence.contains(".env, line 4: "), "{sentence}");
    }
    // The same, found from a folder below.
    let below = harness.folder.path().join("below");
    std::fs::create_dir_all(below.join(".env")).unwrap();
    let ended = run(&below, &["openapi"], &harness.environment).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_value_that_is_of_no_use_is_not_repeated() {
    let harness = Harness::embedded();
    for line in [
        "DATABASE_URL=s3cret",
        "DATABASE_URL='postgres://u:s3cret@127.0.0.1/x\n'",
        "PROCESS_SECRET=\"whsec_s3cret\\n\"",
        "AMQP_URL=amqp://u:s3cret x@127.0.0.1",
    ] {
        write(&harness, line);
        let sentence = refused(&harness, &["migrate", "status"], 2).await;
        let variable = line.split('=').next().unwrap();
        assert!(sentence.contains(variable), "{sentence}");
    }
}

#[tokio::test]
async fn a_strangers_line_that_cannot_be_read_is_passed_over_with_a_warning() {
    let harness = Harness::embedded();
    let lines = [
        "JAVA_OPTS=-Xmx1g -Xms1g",
        "OTHER='s3cret",
        "source s3cret",
        "a-b=s3cret",
        "PREFETCH=10",
    ];
    write(&harness, lines.join("\n"));
    let ended = migrate_status(&harness).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    let warnings: Vec<_> = ended
        .stderr
        .lines()
        .filter(|line| line.contains("WARN"))
        .collect();
    assert_eq!(warnings.len(), 1, "{}", ended.stderr);
    assert!(
        warnings[0].contains("lines=\"2, 3, 4\""),
        "{}",
        ended.stderr
    );

    write(&harness, [lines[4], lines[0]].join("\n"));
    assert!(!migrate_status(&harness).await.stderr.contains("WARN"));
}

#[tokio::test]
async fn a_dollar_is_a_dollar() {
    for line in [
        "DATABASE_URL=sqlite:pa$$word$HOME.db",
        "export DATABASE_URL='sqlite:pa$$word$HOME.db' # in quotes",
        "DATABASE_URL = \"sqlite:pa$$word\\$HOME.db\"",
    ] {
        let mut harness = Harness::embedded();
        harness.environment.insert("HOME", "elsewhere".into());
        write(&harness, line);
        let ended = run(
            harness.folder.path(),
            &["migrate", "up"],
            &harness.environment,
        )
        .await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let file = harness.folder.path().join("pa$$word$HOME.db");
        assert!(file.exists(), "{line}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_text_is_refused() {
    let harness = Harness::embedded();
    let utf_16: Vec<u8> = "\u{feff}PREFETCH=10\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    write(&harness, utf_16);
    let sentence = refused(&harness, &["openapi"], 2).await;
    assert!(
        sentence.contains(".env must be a text in UTF-8"),
        "{sentence}"
    );
}

//! What is wrong with the settings is said in one sentence that names the variable.

use queue::{Queue, amqp};
use testbed::{queues, rabbitmq};

use crate::{
    documents::settings,
    harness::Harness,
    processes::{Ended, Process, run},
};

/// Starts with what stands in the harness, expects it to end with `code`, and returns what it said of itself.
pub(crate) async fn refused(harness: &Harness, arguments: &[&str], code: i32) -> String {
    let Ended {
        code: ended,
        stderr,
        ..
    } = run(harness.folder.path(), arguments, &harness.environment).await;
    assert_eq!(ended, Some(code), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(!stderr.contains("s3cret"), "{stderr}");
    let sentences: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("hookline: "))
        .collect();
    assert_eq!(sentences.len(), 1, "{stderr}");
    sentences[0].to_owned()
}

#[tokio::test]
async fn a_bad_value_is_named_with_what_would_be_right() {
    for (variable, value, right) in [
        (
            "DATABASE_URL",
            "mysql://root:s3cret@localhost/x",
            "postgres://",
        ),
        ("DATABASE_URL", "sqlite::memory:", "file"),
        ("AMQP_URL", "http://user:s3cret@localhost", "amqp://"),
        ("AMQP_URL", "amqp://user:s3cret#@localhost", "%23"),
        ("AMQP_URL", "amqp://user:s3cret@localhost?tls=1", "amqps://"),
        ("AMQP_QUEUE", "amq.s3cret", "amq."),
        ("HOST", "localhost:8000", "without a port"),
        ("HOST", "[localhost]", "an IP address"),
        ("HOST", "[::1", "an IP address"),
        ("HOST", "256.0.0.1", "of this machine"),
        ("PORT", "99999", "65535"),
        ("PORT", "http", "65535"),
        ("ADMIN_ADDR", "s3cret", "127.0.0.1:9090"),
        ("READ_TOKEN", "s3cret", "16 to 512"),
        ("ADMIN_TOKEN", "anna:s3cret", "16 to 512"),
        ("READ_TOKEN_FILE", "/nonexistent", "does not exist"),
        ("ADMIN_TOKEN_FILE", "/dev/null", "not a regular file"),
        ("PROCESSING_DELAY", "30", "30s"),
        ("PROCESSING_DELAY", "-1s", "30s"),
        ("PREFETCH", "0", "from 1 to"),
        ("PREFETCH", "many", "from 1 to"),
        ("LEASE", "soon", "30s"),
        ("LEASE", "10ms", "1s or longer"),
        ("SHUTDOWN_GRACE", "soon", "30s"),
        ("SHUTDOWN_GRACE", "500000000000y", "365d"),
        ("RETRY_SCHEDULE", "5s,366d", "365d"),
        ("PROCESS_URL", "postgres://user:s3cret@localhost", "http://"),
        ("PROCESS_SECRET", "s3cret", "whsec_"),
        ("LOG_FORMAT", "xml", "json"),
        ("RUST_LOG", "hookline=loud", "debug"),
        ("AMQP_CA_FILE", "/nonexistent.pem", "can be read"),
        ("AMQP_CA_FILE", "/dev/null", "PEM"),
    ] {
        let mut harness = Harness::embedded();
        match variable {
            "AMQP_CA_FILE" => harness
                .environment
                .insert("AMQP_URL", "amqps://localhost".into()),
            "PROCESS_SECRET" => harness
                .environment
                .insert("PROCESS_URL", "http://localhost".into()),
            _ => None,
        };
        harness.environment.insert(variable, value.into());
        let sentence = refused(&harness, &[], 2).await;
        assert!(sentence.contains(variable), "{sentence}");
        assert!(sentence.contains(right), "{sentence}");
        harness.environment.clear();
    }
}

#[tokio::test]
async fn white_space_around_a_value_and_control_characters_in_it_are_named() {
    for variable in settings().await {
        let flag = format!("--{}", variable.to_lowercase().replace('_', "-"));
        let name = format!("hookline: {variable} must have no white space");
        for value in ["s3cret\n", " s3cret", "s3\u{7}cret", "s3cret\u{a0}"] {
            let mut harness = Harness::embedded();
            let sentence = refused(&harness, &[&flag, value], 2).await;
            assert!(sentence.starts_with(&name), "{value:?}: {sentence}");
            let words = [&format!("{flag}={value}"), "openapi"];
            let sentence = refused(&harness, &words, 2).await;
            assert!(sentence.starts_with(&name), "{value:?}: {sentence}");
            let variable: &'static str = variable.clone().leak();
            harness.environment.insert(variable, value.into());
            let sentence = refused(&harness, &[], 2).await;
            assert!(sentence.starts_with(&name), "{value:?}: {sentence}");
            harness.environment.clear();
        }
    }
}

#[tokio::test]
async fn what_is_empty_is_unset() {
    let mut harness = Harness::embedded();
    let mut flags = Vec::new();
    for variable in settings().await {
        let flag = format!("--{}", variable.to_lowercase().replace('_', "-"));
        flags.extend([format!("{flag}="), flag, String::new()]);
        if variable != "PORT" {
            harness.environment.insert(variable.leak(), String::new());
        }
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let process = Process::start_with(harness.folder.path(), &flags, &harness.environment).await;
    // The flag for the port is empty, and its variable says 0.
    assert!(process.url().starts_with("http://127.0.0.1:"));
    assert!(!process.url().ends_with(":8000"));
    assert!(harness.folder.path().join("hookline.db").exists());
    process.kill().await;
    harness.environment.clear();
}

#[tokio::test]
async fn a_host_may_be_an_ipv6_address_with_brackets_or_without() {
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    for (host, url) in [
        ("::1", "http://[::1]:"),
        ("[::1]", "http://[::1]:"),
        ("::", "http://[::]:"),
        ("[::]", "http://[::]:"),
    ] {
        let mut harness = Harness::embedded();
        harness.environment.insert("HOST", host.into());
        if !has_ipv6 {
            assert!(refused(&harness, &[], 1).await.contains("HOST"));
            continue;
        }
        let process = harness.process("").await;
        assert!(process.url().starts_with(url), "{host}: {}", process.url());
        let healthz = format!("{}/healthz", process.url().replace("[::]", "[::1]"));
        assert_eq!(harness.get(&healthz).await.status(), 200);
        process.kill().await;
    }
}

#[tokio::test]
async fn a_word_that_may_be_a_value_is_not_repeated() {
    let harness = Harness::embedded();
    for words in [
        &["postgres://user:s3cret@localhost/x"][..],
        &["api", "postgres://user:s3cret@localhost/x"],
        &["--datbase-url=postgres://user:s3cret@localhost/x"],
        &["--datbase-url", "postgres://user:s3cret@localhost/x"],
        &["migrate", "up", "--num=s3cret"],
    ] {
        let ended = run(harness.folder.path(), words, &harness.environment).await;
        assert_eq!(ended.code, Some(2), "{words:?}");
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
    let ended = run(harness.folder.path(), &["consume"], &harness.environment).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("'consumer'"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_flag_overrides_its_variable() {
    let mut harness = Harness::embedded();
    harness.environment.insert("PREFETCH", "10".into());
    let sentence = refused(&harness, &["--prefetch", "0"], 2).await;
    assert!(sentence.contains("PREFETCH"), "{sentence}");
}

#[tokio::test]
async fn a_role_alone_needs_a_broker_and_says_so() {
    for role in ["api", "consumer"] {
        let sentence = refused(&Harness::embedded(), &[role], 2).await;
        assert!(sentence.contains("AMQP_URL must be set"), "{sentence}");
    }
}

#[tokio::test]
async fn an_unreachable_database_is_named() {
    for url in [
        "postgres://user:s3cret@127.0.0.1:1/x",
        "sqlite:/nonexistent/folder/x.db",
    ] {
        let mut harness = Harness::embedded();
        harness.environment.insert("DATABASE_URL", url.into());
        let sentence = refused(&harness, &[], 1).await;
        assert!(sentence.contains("DATABASE_URL"), "{sentence}");
        harness.environment.remove("DATABASE_URL");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut harness = Harness::embedded();
    let port = taken.local_addr().unwrap().port().to_string();
    harness.environment.insert("PORT", port);
    let sentence = refused(&harness, &[], 1).await;
    assert!(sentence.contains("PORT"), "{sentence}");
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let sentence = refused(&harness, &[], 1).await;
    assert!(sentence.contains("another hookline"), "{sentence}");
    harness.send(&api, "t1").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run scripts/test"]
async fn a_second_process_with_its_own_queue_on_the_same_postgres_is_refused() {
    let mut harness = Harness::on_servers().await;
    harness.environment.remove("AMQP_URL");
    let api = harness.start("").await.url();
    let sentence = refused(&harness, &[], 1).await;
    assert!(sentence.contains("another hookline"), "{sentence}");
    harness.send(&api, "t1").await;
    harness.processed(&api, "t1").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_database_without_its_schema_is_named_with_the_command_that_helps() {
    let harness = Harness::on_servers().await;
    for role in ["api", "consumer"] {
        let sentence = refused(&harness, &[role], 1).await;
        assert!(sentence.contains("hookline migrate up"), "{sentence}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
async fn a_queue_with_other_arguments_is_named() {
    let harness = Harness::on_servers().await;
    let url = harness.environment["AMQP_URL"].clone();
    let name = harness.environment["AMQP_QUEUE"].clone();
    // The dead-letter queue of a shorter name is in our way.
    let short = name.clone();
    let settings = amqp::Settings {
        url: url.clone(),
        ca: None,
        queue: short.clone(),
        process: "test".into(),
    };
    Queue::Amqp(amqp::Broker::new(settings).unwrap())
        .declare()
        .await
        .unwrap();
    let mut environment = harness.environment.clone();
    let queue = queues::dead_letter(&short);
    environment.insert("AMQP_QUEUE", queue.clone());
    let ended = run(harness.folder.path(), &["migrate", "up"], &environment).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = run(harness.folder.path(), &[], &environment).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("AMQP_QUEUE"), "{}", ended.stderr);
    assert!(ended.stderr.contains("other arguments"), "{}", ended.stderr);
    let _ = rabbitmq::delete_queue(&url, &queues::dead_letter(&queue)).await;
}

#[tokio::test]
async fn logs_for_machines_are_json_lines_and_hold_no_secret() {
    let mut harness = Harness::embedded();
    harness.environment.insert("LOG_FORMAT", "json".into());
    harness.environment.insert("RUST_LOG", "debug".into());
    harness
        .environment
        .insert("AMQP_URL", "amqp://user:s3cret@127.0.0.1:1/%2f".into());
    harness.environment.insert("AMQP_QUEUE", "nowhere".into());
    let process = harness.process("").await;
    let log = process.log();
    assert!(!log.is_empty() && !log.contains("s3cret"), "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
    process.kill().await;
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let output = tokio::process::Command::new("sh")
        .args([
            "-c",
            r#"ulimit -Sn 100 && ulimit -Hn 200 && exec "$1" openapi"#,
            "sh",
        ])
        .arg(env!("CARGO_BIN_EXE_hookline"))
        .env("RUST_LOG", "hookline=debug")
        .output()
        .await
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let raised = "the limit of open files is raised before=100 now=200";
    assert_eq!(log.matches(raised).count(), 1, "{log}");
}

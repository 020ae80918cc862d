//! A process that may open no more files. The limit is the whole process's, so the test has a process of
//! its own: this test binary once more, which runs the second test alone.

use std::{fs::File, process::Command};

use hyper::Response;
use rustix::process::{Resource, getrlimit};

use super::{super::Signal, LONG, downstream, job, server::Server};

/// Enough for a runtime, a server and a call, and soon used up.
const FILES: u64 = 64;
const INSIDE: &str = "work::http::tests::few_files::inside_a_process_with_few_files";

#[test]
fn want_of_files_is_charged_to_nobody() {
    let output = Command::new("sh")
        .args([
            "-c",
            r#"ulimit -n "$1" && exec "$2" --exact "$3" --include-ignored"#,
            "sh",
        ])
        .arg(FILES.to_string())
        .arg(std::env::current_exe().unwrap())
        .arg(INSIDE)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "is run by the test above, in a process with few files"]
async fn inside_a_process_with_few_files() {
    if getrlimit(Resource::Nofile)
        .current
        .is_none_or(|files| files > FILES)
    {
        return;
    }
    let server = Server::start(|_| Response::default()).await;
    let downstream = downstream(&server.place.replace("localhost", "127.0.0.1"), LONG);

    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let called = downstream.call(job("t1"), None).await;
    assert_eq!(called.signal, Signal::Here);
    let error = called.attempt.error.unwrap();
    assert!(
        error.starts_with("could not be called from here: Too many open files"),
        "{error}"
    );
    assert!(server.requests().is_empty());

    files.clear();
    let called = downstream.call(job("t1"), None).await;
    assert_eq!(called.signal, Signal::Succeeded, "{called:?}");
}

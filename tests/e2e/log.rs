//! A log that cannot be written, or that nobody reads, ends nothing and holds up nothing.

use std::{
    fs::{File, OpenOptions},
    io::{PipeReader, Read as _, pipe},
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::{
    faults::until,
    harness::Harness,
    processes::{SOON, command},
};

/// A service whose log goes somewhere where this test cannot read it.
struct Service {
    harness: Harness,
    child: Child,
    url: String,
}

impl Service {
    /// Starts it and waits until it takes webhooks.
    async fn start(log: impl Into<Stdio>, format: &str) -> Self {
        let mut harness = Harness::embedded();
        // Its log would tell where it listens.
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        harness.environment.insert("PORT", port.to_string());
        harness.environment.insert("LOG_FORMAT", format.into());
        let mut command = command(harness.folder.path(), &[], &harness.environment);
        let child = command.stderr(log).spawn().unwrap();
        let service = Self {
            harness,
            child,
            url: format!("http://127.0.0.1:{port}"),
        };
        until(
            async || service.serves().await,
            || "it does not serve".into(),
        )
        .await;
        service
    }

    async fn serves(&self) -> bool {
        let healthz = format!("{}/healthz", self.url);
        let answer = self.harness.client.get(healthz).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    async fn stop(mut self) {
        assert!(self.serves().await);
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let ended = tokio::time::timeout(SOON, self.child.wait()).await;
        let ended = ended.expect("it did not end").unwrap();
        assert_eq!(ended.code(), Some(0));
    }
}

fn full_device() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[tokio::test]
async fn a_log_on_a_full_device_ends_nothing() {
    for format in ["text", "json"] {
        Service::start(full_device(), format).await.stop().await;
    }
}

#[tokio::test]
async fn a_log_whose_reader_has_gone_ends_nothing() {
    let (reader, writer) = pipe().unwrap();
    let service = Service::start(writer, "text").await;
    drop(reader);
    service.stop().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nothing() {
    let (reader, writer) = pipe().unwrap();
    fill(&writer);
    let service = Service::start(writer, "text").await;
    service.stop().await;
    drop::<PipeReader>(reader);
}

/// Whoever writes to this pipe from now on waits for a reader.
fn fill(pipe: impl std::os::fd::AsFd) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(&pipe).unwrap();
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).unwrap();
    while rustix::io::write(&pipe, &[b'.'; 4096]).is_ok() {}
    while rustix::io::write(&pipe, b".").is_ok() {}
    fcntl_setfl(&pipe, flags).unwrap();
}

#[tokio::test]
async fn a_command_says_that_it_cannot_print() {
    let harness = Harness::embedded();
    for arguments in [&["openapi"][..], &["migrate", "status"]] {
        let mut command = command(harness.folder.path(), arguments, &harness.environment);
        let (mut said, stderr) = pipe().unwrap();
        let status = command.stdout(full_device()).stderr(stderr).status().await;
        // It holds the pipe's other end.
        drop::<Command>(command);
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        assert_eq!(status.unwrap().code(), Some(1), "{text}");
        let sentence = "hookline: standard output cannot be written: ";
        assert!(text.starts_with(sentence), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[tokio::test]
async fn a_command_whose_reader_has_read_enough_is_done() {
    let harness = Harness::embedded();
    for arguments in [
        &["openapi"][..],
        &["migrate", "status"],
        &["--help"],
        &["--version"],
    ] {
        let (reader, stdout) = pipe().unwrap();
        drop(reader);
        let mut command = command(harness.folder.path(), arguments, &harness.environment);
        let output = command
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output();
        let ended = output.await.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("hookline: "), "{arguments:?}: {said}");
    }
}

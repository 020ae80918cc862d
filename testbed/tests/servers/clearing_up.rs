use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Long enough for a server to come up or go away on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// The testbed on both servers, with a temporary folder of its own to see what it leaves behind.
fn with_servers(temporary: &Path, script: &str) -> Command {
    let mut testbed = Command::new(env!("CARGO_BIN_EXE_testbed"));
    testbed.args(["with-servers", "--", "sh", "-c", script]);
    testbed
        .env("TMPDIR", temporary)
        .env_remove("TEST_DATABASE_URL")
        .env_remove("TEST_AMQP_URL");
    testbed.stdout(Stdio::piped()).stderr(Stdio::piped());
    testbed
}

/// A temporary folder that PostgreSQL's own user can enter too.
fn temporary() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    folder
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until no process works in `folder` and no server has left anything there.
fn is_cleared(folder: &Path) {
    until("no process is left", || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut homes =
            processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
        !homes.any(|home| home.starts_with(folder))
    });
    until("no folder is left", || {
        let mut entries = fs::read_dir(folder).unwrap().flatten();
        !entries.any(|entry| entry.file_name().to_string_lossy().starts_with("hookline-"))
    });
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "starts private servers: run scripts/test"]
fn a_command_gets_both_servers_and_its_exit_code_is_passed_on() {
    let folder = temporary();
    let script = r#"echo "$TEST_DATABASE_URL $TEST_AMQP_URL"; cat; exit 7"#;
    let output = with_servers(folder.path(), script).output().unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        printed.starts_with("postgres://postgres@127.0.0.1:"),
        "{printed} {}",
        stderr(&output)
    );
    assert!(
        printed.contains(" amqp://guest:guest@127.0.0.1:"),
        "{printed} {}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(7));
    is_cleared(folder.path());
}

#[test]
#[ignore = "starts private servers: run scripts/test"]
fn nothing_is_left_behind_however_the_testbed_ends() {
    for (signal, code) in [("TERM", Some(143)), ("INT", Some(130)), ("KILL", None)] {
        let folder = temporary();
        let runs = folder.path().join("runs");
        // It may be interrupted while the servers start, too.
        for wait_until_it_runs in [false, true] {
            let _ = fs::remove_file(&runs);
            // Nobody is there to end the command of a testbed that was killed, so it ends by itself.
            let script = format!(
                "file='{}'; echo > $file; while [ -e $file ]; do sleep 0.1; done",
                runs.display()
            );
            let mut testbed = with_servers(folder.path(), &script).spawn().unwrap();
            until("the servers start", || {
                if wait_until_it_runs {
                    runs.exists()
                } else {
                    fs::read_dir(folder.path()).unwrap().count() >= 2
                }
            });
            let kill = Command::new("kill")
                .args(["-s", signal, &testbed.id().to_string()])
                .status()
                .unwrap();
            assert!(kill.success());
            let status = testbed.wait().unwrap();
            assert_eq!(status.code(), code, "{signal} {:?}", status.signal());
            is_cleared(folder.path());
        }
    }
}

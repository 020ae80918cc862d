use std::process::{Command, Output, Stdio};

/// `hookline` must have been built; `scripts/test` does that.
fn chaos(arguments: &[&str]) -> Output {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.arg("chaos").args(arguments);
    lab.stdin(Stdio::null()).output().unwrap()
}

/// One run of each fault, and everything that must be none is none.
fn survives(faults: &[&str]) {
    survives_side_by_side(faults, "1");
}

/// The same, with so many at once.
fn survives_side_by_side(faults: &[&str], jobs: &str) {
    let mut arguments = vec!["--rate", "100", "--jobs", jobs];
    for fault in faults {
        arguments.extend(["--fault", fault]);
    }
    let output = chaos(&arguments);
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{said}");
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn no_webhook_is_lost_or_done_twice_when_processes_die() {
    survives(&["kill-all", "process-mix"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn no_webhook_is_lost_or_done_twice_when_connections_break_and_senders_leave() {
    survives(&["amqp-reset", "database-cut", "clients-leave"]);
}

#[test]
#[ignore = "needs PostgreSQL and RabbitMQ: run scripts/test"]
fn no_webhook_is_lost_or_done_twice_when_database_and_broker_crash() {
    survives(&["backend-kill", "both-down"]);
}

#[test]
fn no_webhook_is_lost_or_done_twice_when_the_one_process_with_sqlite_dies() {
    survives_side_by_side(&["embedded-kill", "embedded-second"], "2");
}

#[test]
fn every_fault_is_listed_and_one_that_does_not_exist_is_refused() {
    let listed = chaos(&["--list"]);
    let names = String::from_utf8(listed.stdout).unwrap();
    for fault in ["kill-api", "cluster-minority-cut", "clock-jump"] {
        assert!(names.contains(fault), "{names}");
    }
    assert!(listed.status.success());
    assert!(!chaos(&["--fault", "no-such-fault"]).status.success());
}

#[test]
fn a_fault_that_cannot_be_injected_is_skipped_with_its_reason() {
    let output = chaos(&["--fault", "poison-work"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("Not injected: `poison-work`: needs --failpoints-binary"),
        "{printed}"
    );
}

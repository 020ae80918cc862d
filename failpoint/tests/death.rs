//! An armed process dies by SIGKILL at the passage it was told, and at no other.
#![cfg(feature = "failpoints")]

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Command, Output},
};

use failpoint::{Point, arm, here};

/// This very test once more, in a process of its own that dies in it.
fn again(test: &str) -> std::io::Result<Output> {
    let mut again = Command::new(std::env::current_exe()?);
    again.args([test, "--exact", "--ignored", "--nocapture"]);
    again.output()
}

#[test]
fn an_armed_process_dies_at_its_passage_as_if_by_kill_9() {
    let output = again("passes_by").unwrap();
    assert_eq!(output.status.signal(), Some(9));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("passage 2"), "{said}");
    assert!(!said.contains("passage 3"), "{said}");
}

#[test]
#[ignore = "it dies: the other test calls it"]
fn passes_by() {
    here(Point::ConsumerAfterTake);
    arm("consumer.after-take:3".parse().unwrap());
    for passage in 1..=5 {
        here(Point::ConsumerAtWork);
        here(Point::ConsumerAfterTake);
        println!("passage {passage}");
    }
}

//! Code and model cannot part unnoticed.

use std::{collections::BTreeSet, fs, path::Path};

use failpoint::Point;
use model::steps::{Death, NOT_MODELLED, STEPS};

/// The files of the product that die at failpoints.
const WITH_POINTS: [&str; 7] = [
    "api/src/writer.rs",
    "api/src/relay/session.rs",
    "api/src/relay/notes.rs",
    "consumer/src/consume/run.rs",
    "consumer/src/consume/take.rs",
    "consumer/src/consume/work.rs",
    "consumer/src/consume/record.rs",
];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn points(death: Death) -> &'static [Point] {
    match death {
        Death::At(points) => points,
        Death::Nowhere(_) => &[],
    }
}

fn has_function(text: &str, name: &str) -> bool {
    [format!("fn {name}("), format!("fn {name}<")]
        .iter()
        .any(|signature| text.contains(signature))
}

#[test]
fn every_action_has_one_row_and_every_row_an_action() {
    let text = include_str!("../src/action.rs");
    let (_, variants) = text.split_once("pub enum Action {").unwrap();
    let actions: Vec<&str> = variants
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([' ', '{', ',']))
        .collect();
    let rows: Vec<&str> = STEPS.iter().map(|step| step.action).collect();
    assert_eq!(rows, actions, "in the same order");
}

#[test]
fn every_function_that_a_row_names_is_there() {
    for step in STEPS {
        for (file, function) in step.code {
            let is_there = has_function(&read(file), function);
            assert!(is_there, "{}: {file} has no {function}", step.action);
        }
    }
}

#[test]
fn every_failpoint_is_beside_an_action_and_in_the_code_that_does_it() {
    let in_rows = STEPS.iter().flat_map(|step| points(step.death));
    let names: BTreeSet<&str> = in_rows.map(|point| point.name()).collect();
    let all: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(names, all);
    for step in STEPS {
        for point in points(step.death) {
            let here = format!("failpoint::here(Point::{point:?})");
            let is_there = (step.code.iter()).any(|(file, _)| read(file).contains(&here));
            assert!(is_there, "{}: {here}", step.action);
        }
    }
}

#[test]
fn every_passage_of_a_failpoint_is_in_a_file_of_an_action_beside_it() {
    for file in WITH_POINTS {
        let text = read(file);
        for passage in text.split("failpoint::here(Point::").skip(1) {
            let (point, _) = passage.split_once(')').unwrap();
            let is_named = STEPS.iter().any(|step| {
                points(step.death)
                    .iter()
                    .any(|one| format!("{one:?}") == point)
                    && step.code.iter().any(|(named, _)| *named == file)
            });
            assert!(is_named, "{file}: {point}");
        }
    }
}

/// A new statement is a new step, or there is a reason why not.
#[test]
fn every_statement_of_a_life_is_in_a_row() {
    for file in [
        "entity/src/lifecycle.rs",
        "entity/src/lifecycle/receive.rs",
        "entity/src/lifecycle/due.rs",
        "entity/src/lifecycle/job.rs",
        "entity/src/lifecycle/take.rs",
        "entity/src/lifecycle/record.rs",
        "entity/src/lifecycle/lease.rs",
        "entity/src/lifecycle/operate/audit.rs",
        "entity/src/lifecycle/operate/bulk.rs",
        "entity/src/lifecycle/operate/bulk/advance.rs",
        "entity/src/lifecycle/operate/give_up.rs",
        "entity/src/lifecycle/operate/pause.rs",
        "entity/src/lifecycle/operate/replay.rs",
        "entity/src/lifecycle/operate/retry.rs",
    ] {
        let text = read(file);
        for declaration in text.split("\npub async fn ").skip(1) {
            let (name, _) = declaration.split_once('(').unwrap();
            let in_rows = (STEPS.iter()).any(|step| step.code.contains(&(file, name)));
            let is_exempt =
                (NOT_MODELLED.iter()).any(|(one, function, _)| (*one, *function) == (file, name));
            assert!(
                in_rows != is_exempt,
                "{file}: {name} is in a row, or has a reason not to be"
            );
        }
    }
    for (file, function, _) in NOT_MODELLED {
        assert!(
            has_function(&read(file), function),
            "{file} has no {function}"
        );
    }
}

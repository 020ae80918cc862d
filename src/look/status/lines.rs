//! How the whole is, for people.

use super::document::{Consumer, Count, Document, Pause, Source, Waiting};
use crate::{look::times, table::table};

pub(super) fn lines(status: &Document) -> String {
    let counts = [
        counted("outbox", waiting(&status.outbox)),
        counted("retries", waiting(&status.retries)),
        counted("failures", [count(&status.failures), String::new()]),
    ];
    let counts = table(
        &["TABLE", "ENTRIES", "OVERDUE"],
        counts.iter().map(Vec::as_slice),
    );
    let consumers: Vec<Vec<String>> = status.consumers.iter().map(consumer).collect();
    let consumers = match consumers.is_empty() {
        true => {
            "no consumer has a lease; a process that has a SQLite file for itself needs none".into()
        }
        false => table(
            &["CONSUMER", "ALIVE", "LEASE RUNS", "QUEUE"],
            consumers.iter().map(Vec::as_slice),
        ),
    };
    let sources: Vec<Vec<String>> = status.sources.iter().map(source).collect();
    let sources = match sources.is_empty() {
        true => "nothing has been received".into(),
        false => table(
            &[
                "SOURCE",
                "LAST RECEIVED",
                "OF THE NEWEST 20,000",
                "LAST VERIFIED",
                "SILENT",
            ],
            sources.iter().map(Vec::as_slice),
        ),
    };
    let database = format!("{}; the schema is up to date", status.database);
    let mut parts = vec![database, counts, consumers, sources];
    let pauses: Vec<Vec<String>> = status.pauses.iter().map(pause).collect();
    if !pauses.is_empty() {
        let headings = ["PAUSED", "SINCE", "UNTIL", "WHO", "REASON"];
        // First of all: nothing else explains why nothing moves.
        parts.insert(1, table(&headings, pauses.iter().map(Vec::as_slice)));
    }
    parts.join("\n\n")
}

fn pause(pause: &Pause) -> Vec<String> {
    vec![
        match pause.source.as_str() {
            "*" => "everything".to_owned(),
            source => source.to_owned(),
        },
        times::told(pause.since),
        pause
            .until
            .map_or_else(|| "it is resumed".to_owned(), times::told),
        pause.who.clone(),
        pause.reason.clone(),
    ]
}

fn counted(name: &str, [count, overdue]: [String; 2]) -> Vec<String> {
    vec![name.to_owned(), count, overdue]
}

fn waiting(waiting: &Waiting) -> [String; 2] {
    let overdue = match waiting.overdue_ms {
        0 => "-".to_owned(),
        overdue => times::length(overdue),
    };
    [count(&waiting.count), overdue]
}

fn count(count: &Count) -> String {
    let more = if count.more { "+" } else { "" };
    format!("{}{more}", count.count)
}

fn consumer(consumer: &Consumer) -> Vec<String> {
    let yes_or_no = |yes| if yes { "yes" } else { "no" };
    vec![
        consumer.id.to_string(),
        yes_or_no(consumer.alive).to_owned(),
        times::left(consumer.lease_left_ms),
        match consumer.embedded {
            true => "inside its process",
            false => "RabbitMQ",
        }
        .to_owned(),
    ]
}

fn source(source: &Source) -> Vec<String> {
    vec![
        source.source.clone(),
        match source.last_received_at {
            Some(at) => times::told(at),
            None if source.ever => "before those".into(),
            None => "-".into(),
        },
        source.of_the_newest.to_string(),
        source
            .last_verified_at
            .map_or_else(|| "-".into(), times::told),
        silent(source),
    ]
}

/// Whether it is silent, and why.
fn silent(source: &Source) -> String {
    let after = source
        .silent_after_s
        .map(|seconds| times::length(seconds * 1000));
    match after {
        Some(after) if source.breaks_rule => format!("YES, may be {after}"),
        _ if source.silent => format!("YES, {} refused in 15 min", source.refused_within_15m),
        Some(after) => format!("no, may be {after}"),
        None => "-".into(),
    }
}
